// Everything the page shows of a tenant: read once, then kept true by the feed.
import { SvelteMap } from "svelte/reactivity";
import { Calls } from "../api/calls";
import { Feed, SILENCE_MS } from "../api/feed";
import { Http, Refusal } from "../api/http";
import type {
  Assignment,
  BookingRequest,
  Change,
  Hold,
  Resource,
  Schedule,
  ServiceType,
  Tenant,
} from "../api/types";
import { session } from "./session.svelte";
import { assignmentOf, holdOf, requestOf } from "./shapes";

/** What happened last to a thing, and who did it. */
export interface Trace {
  version: number;
  actor: string;
  kind: string;
  at: string;
}

/** A change, and whether it moved what was there before. */
export interface Told extends Change {
  moved: boolean;
}

const ACTIVITY_MAX = 200;
// Schedules are read one resource at a time; so many at once.
const READERS = 4;
const QUIET_MS = 150;

export class World {
  tenant = $state.raw<Tenant>({ id: "", displayName: "", timeZone: "UTC" });
  resources = $state.raw<Resource[]>([]);
  serviceTypes = $state.raw(new Map<string, ServiceType>());
  phase = $state<"loading" | "ready" | "error">("loading");
  problem = $state("");
  silentMs = $state(0);
  activity = $state.raw<Told[]>([]);
  range = $state.raw({ from: 0, to: 0 });
  /** Whether what the range shows has not been read in full. */
  partial = $state(true);
  readonly requests = new SvelteMap<string, BookingRequest>();
  readonly assignments = new SvelteMap<string, Assignment>();
  readonly holds = new SvelteMap<string, Hold>();
  readonly schedules = new SvelteMap<string, Schedule>();
  readonly names = $derived(
    new Map(this.resources.map((one) => [one.id, one.displayName || one.id])),
  );
  readonly silent = $derived(this.silentMs >= SILENCE_MS);
  readonly live = $derived(this.phase === "ready" && !this.silent);
  readonly mayEdit = $derived(this.live && session.mayEdit);
  readonly calls: Calls;
  /** Called with every change that was new. */
  onChange: (change: Change) => void = () => {};
  onPresence: (change: Change) => void = () => {};
  private readonly traces = new Map<string, Trace>();
  private readonly feed: Feed;
  private waiting: Change[] | undefined = [];
  private reading = new AbortController();
  private catalogTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(token: string) {
    const out = () => session.signOut("Your token is no longer good. Sign in again.");
    this.calls = new Calls(new Http(token, out));
    const { tenant, sub, roles } = session.claims ?? {};
    this.feed = new Feed(token, JSON.stringify([tenant, sub, roles]), {
      change: (change) => this.take(change),
      reload: () => void this.load(),
      silence: (ms) => (this.silentMs = ms),
      refused: out,
    });
  }

  start(): void {
    this.feed.start();
  }

  stop(): void {
    this.feed.stop();
    this.reading.abort();
  }

  resourceName = (id: string): string => this.names.get(id) ?? id;
  serviceName = (id: string): string => this.serviceTypes.get(id)?.displayName || id;
  planText = (ids: string[]): string => ids.map(this.resourceName).join(" + ");
  lastOf = (topic: string, id: string): Trace | undefined => this.traces.get(`${topic}/${id}`);

  /** Reads everything again; what the feed tells meanwhile is applied after it. */
  async load(): Promise<void> {
    this.waiting ??= [];
    if (this.phase === "error") this.phase = "loading";
    try {
      const [tenant, resources, types, open, held, holds] = await Promise.all([
        this.calls.tenant(),
        this.calls.resources(),
        this.calls.serviceTypes(),
        this.calls.requests("OPEN"),
        this.calls.requests("HELD"),
        this.liveHolds(),
      ]);
      this.tenant = { ...tenant, timeZone: tenant.timeZone || "UTC" };
      this.resources = resources.filter((one) => one.active !== false);
      this.serviceTypes = new Map(types.map((one) => [one.id, one]));
      this.replace(this.requests, [...open, ...held]);
      this.replace(this.holds, holds);
      this.assignments.clear();
      if (this.range.to) await this.readRange(this.range.from, this.range.to);
      this.phase = "ready";
      this.problem = "";
    } catch (error) {
      this.phase = "error";
      this.problem = error instanceof Refusal ? error.message : String(error);
      return;
    }
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    for (const change of waiting) this.take(change);
  }

  /** Reads what a range of time shows: assignments and schedules. */
  async readRange(from: number, to: number): Promise<void> {
    this.range = { from, to };
    this.reading.abort();
    this.reading = new AbortController();
    const { signal } = this.reading;
    const [start, end] = [new Date(from).toISOString(), new Date(to).toISOString()];
    this.partial = true;
    const found = await this.calls.assignments(start, end);
    for (const one of found) this.save("assignments", this.assignments, one);
    void this.readSchedules(this.resources, start, end, signal);
  }

  private async readSchedules(
    resources: Resource[],
    start: string,
    end: string,
    signal: AbortSignal,
  ): Promise<void> {
    const left = [...resources];
    const read = async () => {
      for (let next = left.shift(); next && !signal.aborted; next = left.shift()) {
        const schedule = await this.calls.schedule(next.id, start, end, signal).catch(() => null);
        if (schedule && !signal.aborted) this.schedules.set(next.id, schedule);
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    if (!signal.aborted) this.partial = false;
  }

  private async liveHolds(): Promise<Hold[]> {
    try {
      return await this.calls.holds();
    } catch (error) {
      if (error instanceof Refusal && [404, 405].includes(error.status)) return [];
      throw error;
    }
  }

  private replace<T extends { id: string; etag?: string }>(
    map: SvelteMap<string, T>,
    things: T[],
  ): void {
    map.clear();
    for (const one of things) map.set(one.id, one);
  }

  /** Keeps a thing that a call answered with, unless the feed knows a newer one. */
  save<T extends { id: string; etag?: string }>(
    topic: string,
    map: SvelteMap<string, T>,
    thing: T,
  ): void {
    const known = this.traces.get(`${topic}/${thing.id}`);
    if (!known || Number(thing.etag ?? 0) >= known.version) map.set(thing.id, thing);
  }

  /** Applies one change, once. */
  private take(change: Change): void {
    if (change.topic === "presence") return this.onPresence(change);
    if (this.waiting) {
      this.waiting.push(change);
      return;
    }
    const key = `${change.topic}/${change.id}`;
    const version = Number(change.version);
    const known = this.traces.get(key);
    if (known && known.version >= version && change.topic !== "catalog") return;
    const actor = String(change.payload?.actor ?? "");
    this.traces.set(key, { version, actor, kind: change.kind, at: change.at });
    const moved = change.topic === "assignments" && this.assignments.has(change.id);
    if (change.topic === "requests") this.takeRequest(change);
    else if (change.topic === "assignments") this.takeAssignment(change);
    else if (change.topic === "holds") this.takeHold(change);
    else if (["catalog", "schedules"].includes(change.topic)) this.takeCatalog(change);
    this.activity = [{ ...change, moved }, ...this.activity].slice(0, ACTIVITY_MAX);
    this.onChange(change);
  }

  private takeRequest(change: Change): void {
    const request = requestOf(change);
    if (["OPEN", "HELD"].includes(request.state)) this.requests.set(request.id, request);
    else this.requests.delete(request.id);
  }

  private takeAssignment(change: Change): void {
    if (change.kind === "CANCELLED") {
      this.assignments.delete(change.id);
      return;
    }
    const now = assignmentOf(change);
    const before = this.assignments.get(change.id);
    if (before && change.kind !== "ASSIGNED") {
      // Who put it at risk or completed it, and why, is not who assigned it.
      now.assignedBy = before.assignedBy;
      now.assignmentReason = before.assignmentReason;
    }
    this.assignments.set(change.id, now);
  }

  private takeHold(change: Change): void {
    if (change.kind !== "HELD") this.holds.delete(change.id);
    else this.holds.set(change.id, { ...this.holds.get(change.id), ...holdOf(change) });
  }

  private takeCatalog(change: Change): void {
    clearTimeout(this.catalogTimer);
    this.catalogTimer = setTimeout(() => void this.readCatalog(change.topic), QUIET_MS);
  }

  private async readCatalog(topic: string): Promise<void> {
    if (topic === "catalog") {
      const [resources, types] = await Promise.all([
        this.calls.resources(),
        this.calls.serviceTypes(),
      ]);
      this.resources = resources.filter((one) => one.active !== false);
      this.serviceTypes = new Map(types.map((one) => [one.id, one]));
    }
    if (this.range.to) await this.readRange(this.range.from, this.range.to);
  }
}
