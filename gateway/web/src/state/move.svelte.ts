// Moving something over the board, by pointer or by keys, with the hard rules told on the way.
import { SvelteMap } from "svelte/reactivity";
import type { Assignment, BookingRequest, Obstacle, Verdict } from "../api/types";
import type { Axis } from "../time/axis";
import { dateOf, durationMs, MINUTE_MS, momentOf, spanText, wallOf } from "../time/zone";
import type { Edits } from "./edits.svelte";
import { says } from "./says.svelte";
import type { World } from "./world.svelte";

const STEP_MS_USUAL = 15 * MINUTE_MS;
const ASK_AFTER_MS = 40;

export interface Moving {
  /** As it was when the move began: an edit is decided on that version. */
  assignment?: Assignment;
  request?: BookingRequest;
  serviceTypeId: string;
  partySize: number;
  durationMs: number;
  stepMs: number;
  /** What serves together now, and moves as a whole; empty where nothing does yet. */
  whole: string[];
  resourceId: string;
  start: number;
  by: "pointer" | "keys";
}

/** What is known of a resource at the present start, and the plan that would serve there. */
export interface Answer {
  state: "asking" | "free" | "blocked";
  obstacles: Obstacle[];
  plan: string[];
}

/** What everybody says to one start; plans only where several serve together. */
interface Known {
  verdicts: Map<string, Verdict>;
  plans: string[][];
}

export class Move {
  moving = $state.raw<Moving | undefined>();
  private readonly known = new SvelteMap<string, Known>();
  private asked = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking = new AbortController();

  constructor(
    private readonly world: World,
    private readonly edits: Edits,
  ) {
    // Whatever changes somebody's time may change a verdict.
    world.onChange = () => this.askAgain();
  }

  beginAssignment(assignment: Assignment, resourceId: string, by: Moving["by"]): void {
    const length = Date.parse(assignment.end) - Date.parse(assignment.start);
    const { serviceTypeId, partySize, start } = assignment;
    this.begin({
      ...{ assignment, serviceTypeId, partySize, by, durationMs: length },
      ...{ stepMs: this.stepOf(serviceTypeId), whole: assignment.resourceIds, resourceId },
      start: Date.parse(start),
    });
  }

  beginRequest(request: BookingRequest, resourceId: string, start: number): void {
    const { serviceTypeId, partySize } = request;
    const length = durationMs(this.world.serviceTypes.get(serviceTypeId)?.duration ?? "3600s");
    this.begin({
      ...{ request, serviceTypeId, partySize, by: "keys" as const, durationMs: length },
      ...{ stepMs: this.stepOf(serviceTypeId), whole: [], resourceId, start },
    });
  }

  private begin(moving: Moving): void {
    this.known.clear();
    this.moving = moving;
    this.ask();
  }

  /** Brings it over a resource and a moment; the start snaps to the grid of its service. */
  over(resourceId: string, moment: number): void {
    const { moving } = this;
    if (!moving) return;
    const start = this.snapped(moment, moving.stepMs);
    if (start === moving.start && resourceId === moving.resourceId) return;
    this.moving = { ...moving, resourceId, start };
    this.ask();
  }

  /** Moves it by keys: some rows down, some steps or days on. */
  nudge(axis: Axis, rows: string[], rowStep: number, steps: number): void {
    const { moving } = this;
    if (!moving) return;
    const row = rows.indexOf(moving.resourceId) + rowStep;
    const resourceId = rows[Math.min(Math.max(row, 0), rows.length - 1)] ?? moving.resourceId;
    let start = moving.start + steps * moving.stepMs;
    if (steps && axis.placeOf(start) === undefined) {
      const days = axis.days;
      const next =
        steps > 0
          ? days.find((day) => day.from > moving.start)?.from
          : days.findLast((day) => day.to <= moving.start)?.to;
      if (next === undefined) start = moving.start;
      else start = steps > 0 ? next : next - moving.durationMs;
    }
    this.over(resourceId, start);
  }

  cancel(): void {
    this.moving = undefined;
    this.asking.abort();
  }

  /** What is known of it on a resource at its present start. */
  answerFor(resourceId: string): Answer {
    const { moving } = this;
    if (!moving) return { state: "asking", obstacles: [], plan: [] };
    const inside = moving.whole.includes(resourceId);
    if (!inside && moving.whole.length > 1) return this.answerElsewhere(moving, resourceId);
    const plan = inside ? moving.whole : [resourceId];
    const said = plan.map((id) => this.verdictOf(moving, id));
    const obstacles = said.flatMap((one) => one?.obstacles ?? []);
    const free = said.every(Boolean) ? "free" : "asking";
    return { state: obstacles.length ? "blocked" : free, obstacles, plan };
  }

  /** Where several serve together, others go there together: the best plan with that resource. */
  private answerElsewhere(moving: Moving, resourceId: string): Answer {
    const known = this.known.get(String(moving.start));
    if (!known) return { state: "asking", obstacles: [], plan: moving.whole };
    const plan = known.plans.find((ids) => ids.includes(resourceId));
    if (plan) return { state: "free", obstacles: [], plan };
    const own = this.verdictOf(moving, resourceId)?.obstacles ?? [];
    const name = this.world.resourceName(resourceId);
    const party = moving.partySize ? `a party of ${moving.partySize}` : "this";
    const detail = `${name}, alone or with what stands beside it, cannot serve ${party} then.`;
    const none = { code: "NO_PLAN", blockingId: "", detail };
    return { state: "blocked", obstacles: own.length ? own : [none], plan: [resourceId] };
  }

  private verdictOf(moving: Moving, resourceId: string): Verdict | undefined {
    return this.known.get(String(moving.start))?.verdicts.get(resourceId);
  }

  /** What is known of it where it is now. */
  get answer(): Answer | undefined {
    return this.moving && this.answerFor(this.moving.resourceId);
  }

  /** Puts it down: does the edit, unless a hard rule forbids it or nothing changed. */
  async drop(): Promise<void> {
    const { moving, answer } = this;
    if (!moving || !answer) return;
    const { plan } = answer;
    this.cancel();
    const end = new Date(moving.start + moving.durationMs).toISOString();
    const start = new Date(moving.start).toISOString().replace(".000Z", "Z");
    if (answer.state === "blocked") {
      says.note(`Not moved: ${reasonText(answer.obstacles)}`, "bad");
    } else if (answer.state === "asking" && moving.whole.length > 1) {
      says.note("Not moved: it was not known yet who could serve there together.", "bad");
    } else if (moving.assignment) {
      const same = Date.parse(moving.assignment.start) === moving.start;
      if (same && plan.join() === moving.assignment.resourceIds.join()) return;
      await this.edits.reassign(moving.assignment, { resourceIds: plan, start }, end);
    } else if (moving.request) {
      const candidate = { resourceIds: plan, start, end, matchPercent: 0, terms: [] };
      await this.edits.assign(moving.request, { ...candidate, explanation: "" });
    }
  }

  private stepOf(serviceTypeId: string): number {
    const type = this.world.serviceTypes.get(serviceTypeId);
    return durationMs(type?.granularity ?? "") || STEP_MS_USUAL;
  }

  private snapped(moment: number, stepMs: number): number {
    const zone = this.world.tenant.timeZone;
    const wall = wallOf(zone, moment);
    const step = stepMs / MINUTE_MS;
    const minutes = Math.round((wall.hour * 60 + wall.minute) / step) * step;
    return momentOf(zone, dateOf(zone, moment), minutes);
  }

  private askAgain(): void {
    if (!this.moving) return;
    this.known.clear();
    this.asked = "";
    this.ask();
  }

  /** Asks what every resource would say to the present start, once per start. */
  private ask(): void {
    const { moving } = this;
    if (!moving) return;
    const key = String(moving.start);
    if (this.known.has(key) || this.asked === key) return this.tell();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.read(moving, key), ASK_AFTER_MS);
  }

  private async read(moving: Moving, key: string): Promise<void> {
    this.asking.abort();
    this.asking = new AbortController();
    this.asked = key;
    const { signal } = this.asking;
    const several = moving.whole.length > 1;
    const one = {
      serviceTypeId: moving.serviceTypeId,
      partySize: moving.partySize,
      start: new Date(moving.start).toISOString(),
      ignoreAssignmentId: moving.assignment?.id,
    };
    // Of those who serve together nobody takes the whole party: plans are asked for it instead.
    const alone = several ? { ...one, partySize: 0 } : one;
    const ids = this.world.resources.map((each) => each.id);
    try {
      const [{ verdicts }, ranking] = await Promise.all([
        this.world.calls.explain(alone, ids, signal),
        several ? this.world.calls.plansAt(one, signal) : undefined,
      ]);
      this.known.set(key, {
        verdicts: new Map(verdicts.map((each) => [each.resourceId, each])),
        plans: ranking?.candidates.map((each) => each.resourceIds) ?? [],
      });
      this.tell();
    } catch {
      // Without an answer the drop is tried: the ledger has the last word anyway.
    } finally {
      if (this.asked === key) this.asked = "";
    }
  }

  private tell(): void {
    const { moving, answer } = this;
    if (!moving || !answer) return;
    const zone = this.world.tenant.timeZone;
    const when = spanText(zone, moving.start, moving.start + moving.durationMs);
    const place = `${this.world.planText(answer.plan)}, ${when}`;
    if (answer.state === "blocked")
      says.whisper = `${place}: not possible. ${reasonText(answer.obstacles)}`;
    else if (answer.state === "free") says.whisper = `${place}: possible`;
  }
}

export function reasonText(obstacles: Obstacle[]): string {
  return obstacles.map((one) => one.detail || words(one.code)).join(" ");
}

/** A code of the contract in words: OUTSIDE_HOURS is "outside hours". */
export function words(code: string): string {
  return code.replaceAll("_", " ").toLowerCase();
}
