// What the planner changes: sent with the version it was decided on, undone on request.
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import type { Place } from "../api/calls";
import { Refusal } from "../api/http";
import type { Assignment, BookingRequest, Candidate, Hold } from "../api/types";
import { spanText } from "../time/zone";
import { conflictOf, type Conflict } from "./conflict";
import { says } from "./says.svelte";
import type { World } from "./world.svelte";

interface Undo {
  text: string;
  run: () => Promise<unknown>;
}

const UNDO_MAX = 20;
const TOKENS_KEY = "fairslot.holds";

export class Edits {
  /** Where something is drawn while its edit is on the way. */
  readonly ghosts = new SvelteMap<string, Place & { end: string }>();
  readonly busy = new SvelteSet<string>();
  readonly tokens = new SvelteMap<string, string>();
  conflict = $state.raw<Conflict | undefined>();
  undos = $state.raw<Undo[]>([]);

  private readonly flying = new Set<Promise<void>>();

  constructor(private readonly world: World) {
    const kept = JSON.parse(sessionStorage.getItem(TOKENS_KEY) ?? "[]") as [string, string][];
    for (const [id, token] of kept) this.tokens.set(id, token);
  }

  assign(request: BookingRequest, candidate: Candidate): Promise<boolean> {
    const place = { resourceIds: candidate.resourceIds, start: candidate.start };
    return this.send(request.id, this.mine(place, candidate.end), async () => {
      const made = await this.world.calls.assign(request.id, place, candidate.explanation);
      this.world.save("assignments", this.world.assignments, made);
      this.world.requests.delete(request.id);
      this.done(`Assigned ${this.name(request)} to ${this.where(made)}`, () => this.unassign(made));
    });
  }

  hold(request: BookingRequest, candidate: Candidate): Promise<boolean> {
    const place = { resourceIds: candidate.resourceIds, start: candidate.start };
    return this.send(request.id, this.mine(place, candidate.end), async () => {
      const hold = await this.world.calls.hold(request.id, place);
      this.keep(hold.id, hold.token ?? "");
      this.world.holds.set(hold.id, { ...hold, ...this.world.holds.get(hold.id) });
      this.done(`Held ${this.where(hold)} for ${this.name(request)}`, () => this.letGo(hold.id));
    });
  }

  confirm(hold: Hold): Promise<boolean> {
    return this.send(hold.bookingRequestId || hold.id, this.mine(hold, hold.end), async () => {
      const made = await this.world.calls.confirm(this.tokens.get(hold.id) ?? "");
      this.world.save("assignments", this.world.assignments, made);
      this.world.holds.delete(hold.id);
      this.done(`Confirmed ${this.where(made)}`, () => this.unassign(made));
    });
  }

  release(hold: Hold): Promise<boolean> {
    return this.send(hold.bookingRequestId || hold.id, this.mine(hold, hold.end), async () => {
      await this.letGo(hold.id);
      says.note(`Released the hold of ${this.where(hold)}`, "good");
    });
  }

  /** Moves an assignment, decided on the version that `base` has. */
  reassign(base: Assignment, place: Place, end: string): Promise<boolean> {
    this.ghosts.set(base.id, { ...place, end });
    return this.send(base.id, this.mine(place, end, base), async () => {
      const moved = await this.world.calls.reassign(base.id, place, base.etag, "");
      this.world.save("assignments", this.world.assignments, moved);
      const back = { resourceIds: base.resourceIds, start: base.start };
      this.done(`Moved to ${this.where(moved)}`, async () => {
        const now = await this.world.calls.reassign(base.id, back, moved.etag, "Undone");
        this.world.save("assignments", this.world.assignments, now);
      });
    });
  }

  cancel(assignment: Assignment): Promise<boolean> {
    const mine = { text: "cancel it", again: (now: Assignment) => this.cancel(now) };
    return this.send(assignment.id, mine, async () => {
      await this.unassign(assignment);
      const { bookingRequestId, resourceIds, start } = assignment;
      const again = bookingRequestId
        ? () => this.world.calls.assign(bookingRequestId, { resourceIds, start }, "Undone")
        : undefined;
      this.done(`Cancelled ${this.where(assignment)}`, again);
    });
  }

  async undo(): Promise<void> {
    // What is on the way can be undone too, once it is known what came of it.
    await Promise.allSettled([...this.flying]);
    const last = this.undos.at(-1);
    if (!last || !this.world.mayEdit) return;
    this.undos = this.undos.slice(0, -1);
    await this.send("undo", { text: `undo "${last.text}"` }, async () => {
      await last.run();
      says.note(`Undone: ${last.text}`, "good");
    });
  }

  private async unassign(assignment: Assignment): Promise<void> {
    await this.world.calls.cancel(assignment.id, assignment.etag, "Cancelled by the planner");
    this.world.assignments.delete(assignment.id);
  }

  private async letGo(holdId: string): Promise<void> {
    await this.world.calls.release(this.tokens.get(holdId) ?? "");
    this.world.holds.delete(holdId);
    this.keep(holdId, "");
  }

  private mine(place: Place, end: string, base?: Assignment): Conflict["mine"] {
    const text = `${this.world.planText(place.resourceIds)}, ${this.span(place.start, end)}`;
    if (!base) return { text };
    return { text, again: (now) => this.reassign(now, place, end) };
  }

  private async send(
    id: string,
    mine: Conflict["mine"],
    act: () => Promise<void>,
  ): Promise<boolean> {
    if (!this.world.mayEdit) {
      says.note("Nothing can be changed now: the page does not hear the others.", "bad");
      return false;
    }
    if (this.busy.has(id)) return false;
    this.busy.add(id);
    const flight = act();
    this.flying.add(flight);
    try {
      await flight;
      return true;
    } catch (error) {
      await this.explain(id, mine, error);
      return false;
    } finally {
      this.flying.delete(flight);
      this.busy.delete(id);
      this.ghosts.delete(id);
    }
  }

  private async explain(id: string, mine: Conflict["mine"], error: unknown): Promise<void> {
    if (!(error instanceof Refusal)) throw error;
    this.conflict = await conflictOf(this.world, id, mine, error);
    if (!this.conflict) says.note(`Not done: ${error.message}.`, "bad");
  }

  private done(text: string, undo?: () => Promise<unknown>): void {
    if (undo) this.undos = [...this.undos, { text, run: undo }].slice(-UNDO_MAX);
    says.note(text, "good", undo ? () => void this.undo() : undefined);
  }

  private keep(holdId: string, token: string): void {
    if (token) this.tokens.set(holdId, token);
    else this.tokens.delete(holdId);
    sessionStorage.setItem(TOKENS_KEY, JSON.stringify([...this.tokens]));
  }

  private name = (request: BookingRequest) => this.world.serviceName(request.serviceTypeId);
  private span = (start: string, end: string) =>
    spanText(this.world.tenant.timeZone, Date.parse(start), Date.parse(end));
  private where = (one: { resourceIds: string[]; start: string; end: string }) =>
    `${this.world.planText(one.resourceIds)}, ${this.span(one.start, one.end)}`;
}
