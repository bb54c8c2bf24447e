// Follows the feed for all tabs of a planner: one of them watches, the others hear it from there.
import { Refusal } from "./http";
import { GIVE_UP_MS, watch } from "./stream";
import type { Change } from "./types";

// So long may the feed be silent before the page says so and takes no edits.
export const SILENCE_MS = 5_000;
// So long may the watching tab be silent before one that is looked at takes its place.
const TAKE_OVER_MS = GIVE_UP_MS + SILENCE_MS;
const RETRY_MS = [250, 500, 1_000, 2_000];
const LOOK_MS = 250;
// What a tab remembers for others that have heard less.
const RECENT_MAX = 512;

export interface FeedEvents {
  /** A change, in order. */
  change(change: Change): void;
  /** The watch begins from nothing, or lost its place: everything must be read again. */
  reload(): void;
  /** How long nothing came. */
  silence(ms: number): void;
  /** The token is no longer good. */
  refused(): void;
}

/** A change, and where a tab stood before it. */
interface Step {
  after: string;
  change: Change;
}

/** What tabs say to each other: where one stands, what came next, what another missed. */
type Word = { ask: string } | Step | { again: Change[]; upTo: string };

export class Feed {
  private position = "";
  private heardAt = performance.now();
  private replacedAt = 0;
  private attempts = 0;
  private stopped = false;
  private recent: Step[] = [];
  private queue = new AbortController();
  private hurry = false;
  private leading: AbortController | undefined;
  private looking: ReturnType<typeof setInterval> | undefined;
  private readonly name: string;
  private readonly others: BroadcastChannel;

  /** Tabs share a watch when `who` is the same: the tenant, the planner and the roles. */
  constructor(
    private readonly token: string,
    who: string,
    private readonly events: FeedEvents,
  ) {
    this.name = `fairslot.feed ${who}`;
    this.others = new BroadcastChannel(this.name);
    this.others.onmessage = (event: MessageEvent<Word>) => this.hear(event.data);
  }

  start(): void {
    this.looking = setInterval(() => this.look(), LOOK_MS);
    this.others.postMessage({ ask: "" });
    void this.stand();
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.looking);
    this.queue.abort();
    this.leading?.abort();
    this.others.close();
  }

  private look(): void {
    const now = performance.now();
    this.events.silence(now - this.heardAt);
    const alone = now - Math.max(this.heardAt, this.replacedAt) > TAKE_OVER_MS;
    if (this.leading || !alone || document.visibilityState !== "visible") return;
    // Whoever watches for all may be frozen.
    this.hurry = true;
    this.queue.abort();
  }

  /** Waits in line to be the tab that watches; its place passes on when it closes. */
  private async stand(): Promise<void> {
    // Only pages that came over a safe way, or from this machine, may know of other tabs.
    if (!("locks" in navigator)) return this.lead();
    while (!this.stopped) {
      this.queue = new AbortController();
      const options = this.hurry ? { steal: true } : { signal: this.queue.signal };
      this.hurry = false;
      try {
        await navigator.locks.request(this.name, options, () => this.lead());
      } catch {
        // Another tab took the place, or this one does not wait for it any longer.
      }
      this.leading?.abort();
      this.leading = undefined;
      this.replacedAt = performance.now();
    }
  }

  private async lead(): Promise<void> {
    const leading = new AbortController();
    this.leading = leading;
    while (!leading.signal.aborted) {
      try {
        await watch(this.token, this.position, leading.signal, (change) => this.tell(change));
      } catch (error) {
        // Whatever else broke it, the next watch goes on from the last position.
        const refused = error instanceof Refusal && error.reason === "UNAUTHENTICATED";
        if (refused) this.events.refused();
      }
      const wait = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)] ?? 0;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  private tell(change: Change): void {
    if (this.stopped) return;
    this.others.postMessage({ after: this.position, change });
    this.take(change);
  }

  private hear(word: Word): void {
    if ("ask" in word) {
      if (this.leading && this.position) this.others.postMessage(this.answer(word.ask));
    } else if ("again" in word) {
      if (!behind(this.position, word.upTo)) return;
      for (const change of word.again) this.take(change);
      this.reach(word.upTo);
    } else {
      const missed = this.position !== "" && behind(this.position, word.after);
      if (!missed || word.change.kind === "RESYNC") this.take(word.change);
      else this.others.postMessage({ ask: this.position });
    }
  }

  /** What brings another tab from where it stands to where this one does. */
  private answer(position: string): Word {
    const { recent } = this;
    const missed = recent.filter((one) => !behind(one.after, position));
    const known = position && recent.some((one) => !behind(position, one.after));
    if (known) return { again: missed.map((one) => one.change), upTo: this.position };
    const sign = { topic: "feed", id: "", version: "0", at: "", position: this.position };
    const kind = position ? "RESYNC" : "HEARTBEAT";
    return { after: this.position, change: { ...sign, kind } };
  }

  private take(change: Change): void {
    const after = this.position;
    this.heardAt = performance.now();
    this.attempts = 0;
    if (change.kind === "RESYNC") this.position = change.position;
    else this.reach(change.position);
    if (after === "" || change.kind === "RESYNC") {
      this.recent = [];
      this.events.reload();
    } else if (change.kind !== "HEARTBEAT") {
      this.recent = [...this.recent, { after, change }].slice(-RECENT_MAX);
      this.events.change(change);
    }
    this.events.silence(0);
  }

  /** Goes on to a position, never back: what another tab missed is told to all. */
  private reach(position: string): void {
    if (position && !behind(position, this.position)) this.position = position;
  }
}

/** Whether a position comes before another of the same feed. */
function behind(one: string, other: string): boolean {
  const [epoch, number] = one.split("-");
  const [epochOfOther, numberOfOther] = other.split("-");
  return epoch === epochOfOther && Number(number) < Number(numberOfOther);
}
