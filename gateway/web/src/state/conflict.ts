// Says kindly that somebody else was quicker: their version beside one's own.
import { Refusal } from "../api/http";
import type { Assignment, Candidate } from "../api/types";
import { spanText } from "../time/zone";
import type { World } from "./world.svelte";

export interface Conflict {
  title: string;
  /** Who was quicker, and what is true now. */
  who: string;
  theirs: string;
  mine: {
    text: string;
    /** Does one's own edit on top of what is true now. */
    again?: (now: Assignment) => Promise<boolean>;
  };
  now?: Assignment;
  /** What could be taken in its place. */
  requestId: string;
  alternatives: Candidate[];
}

const SOMEBODY = "Somebody else";
// The feed may be a moment behind the refusal; it knows who it was.
const FEED_MS = 1_500;
const STEP_MS = 50;

/** Returns the conflict a refusal is about; undefined if it is about something else. */
export async function conflictOf(
  world: World,
  id: string,
  mine: Conflict["mine"],
  refusal: Refusal,
): Promise<Conflict | undefined> {
  if (refusal.reason === "SLOT_TAKEN") return taken(world, id, mine, refusal);
  if (["STALE_ETAG", "ASSIGNMENT_NOT_ACTIVE"].includes(refusal.reason)) {
    return changed(world, id, mine, refusal);
  }
  if (refusal.reason === "REQUEST_NOT_OPEN") return served(world, id, mine, refusal);
  return undefined;
}

function taken(world: World, id: string, mine: Conflict["mine"], refusal: Refusal): Conflict {
  const { metadata } = refusal;
  const attached = refusal.detail("Alternatives")?.candidates;
  const place = [metadata.start, metadata.end].every(Boolean)
    ? `, ${span(world, metadata.start ?? "", metadata.end ?? "")}`
    : "";
  const whom = metadata.resource_id ? world.resourceName(metadata.resource_id) : "That time";
  const verb = metadata.state === "HELD" ? "is held" : "is taken";
  return {
    title: "Somebody was quicker",
    who: metadata.taken_by || SOMEBODY,
    theirs: `${whom} ${verb}${place}`,
    mine: { text: mine.text },
    requestId: world.requests.has(id) ? id : "",
    alternatives: Array.isArray(attached) ? (attached as Candidate[]) : [],
  };
}

async function changed(
  world: World,
  id: string,
  mine: Conflict["mine"],
  refusal: Refusal,
): Promise<Conflict> {
  const now = await world.calls.assignment(id).catch(() => undefined);
  const version = Number(now?.etag ?? refusal.metadata.current_etag ?? 0);
  const trace = await heard(world, "assignments", id, version);
  const gone = !now || now.state === "CANCELLED";
  if (now && !gone) world.save("assignments", world.assignments, now);
  return {
    title: "This was changed while you worked on it",
    who: trace?.actor || now?.assignedBy || SOMEBODY,
    theirs:
      gone || !now
        ? "cancelled it"
        : `${world.planText(now.resourceIds)}, ${span(world, now.start, now.end)}`,
    mine: gone ? { text: mine.text } : mine,
    now,
    requestId: "",
    alternatives: [],
  };
}

async function served(
  world: World,
  id: string,
  mine: Conflict["mine"],
  refusal: Refusal,
): Promise<Conflict> {
  const request = await world.calls.request(id).catch(() => undefined);
  const now = request?.assignmentId
    ? await world.calls.assignment(request.assignmentId).catch(() => undefined)
    : undefined;
  const trace = await heard(world, "requests", id, Number(request?.etag ?? 0));
  const state = (request?.state ?? refusal.metadata.state ?? "no longer open").toLowerCase();
  const holder = request ? world.holds.get(request.assignmentId) : undefined;
  return {
    title: "This request was served while you worked on it",
    who: now?.assignedBy || holder?.heldBy || trace?.actor || SOMEBODY,
    theirs: now
      ? `${world.planText(now.resourceIds)}, ${span(world, now.start, now.end)}`
      : `The request is ${state}`,
    mine: { text: mine.text },
    requestId: "",
    alternatives: [],
  };
}

async function heard(world: World, topic: string, id: string, version: number) {
  const until = performance.now() + FEED_MS;
  while (performance.now() < until) {
    const trace = world.lastOf(topic, id);
    if (trace && trace.version >= version) return trace;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  return world.lastOf(topic, id);
}

function span(world: World, start: string, end: string): string {
  return spanText(world.tenant.timeZone, Date.parse(start), Date.parse(end));
}
