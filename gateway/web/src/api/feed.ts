// Follows the feed of changes: resumed without a gap after every break, and honest about silence.
import { query, refusalOf } from "./http";
import type { Change } from "./types";

const HEARTBEAT = "1.500s";
// So long may the feed be silent before the page says so and takes no edits.
export const SILENCE_MS = 5_000;
// A stream that has been silent for longer is given up and watched anew.
const GIVE_UP_MS = 7_000;
const RETRY_MS = [250, 500, 1_000, 2_000];
const LOOK_MS = 250;

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

export class Feed {
  private position = "";
  private heardAt = performance.now();
  private stopped = false;
  private attempts = 0;
  private current: AbortController | undefined;
  private looking: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly token: string,
    private readonly events: FeedEvents,
  ) {}

  start(): void {
    this.looking = setInterval(() => this.look(), LOOK_MS);
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.looking);
    this.current?.abort();
  }

  private look(): void {
    const silent = performance.now() - this.heardAt;
    this.events.silence(silent);
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.watch();
      } catch {
        // Whatever broke it, the next watch goes on from the last position.
      }
      if (this.stopped) return;
      const wait = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)] ?? 0;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  private async watch(): Promise<void> {
    this.current = new AbortController();
    const beganAt = performance.now();
    const giveUp = setInterval(() => {
      if (performance.now() - Math.max(beganAt, this.heardAt) > GIVE_UP_MS) this.current?.abort();
    }, LOOK_MS);
    try {
      const asked = query({ resumeToken: this.position, heartbeat: HEARTBEAT });
      const answer = await fetch(`/v1/changes${asked}`, {
        headers: { accept: "text/event-stream", authorization: `Bearer ${this.token}` },
        signal: this.current.signal,
        cache: "no-store",
      });
      if (!answer.ok || !answer.body) {
        const refusal = await refusalOf(answer);
        if (refusal.reason === "UNAUTHENTICATED") this.events.refused();
        throw refusal;
      }
      await this.read(answer.body);
    } finally {
      clearInterval(giveUp);
      this.current.abort();
    }
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) this.take(JSON.parse(line.slice(5)));
    }
  }

  private take(change: Change): void {
    const first = this.position === "";
    this.heardAt = performance.now();
    this.attempts = 0;
    this.position = change.position || this.position;
    if (first || change.kind === "RESYNC") this.events.reload();
    else if (change.kind !== "HEARTBEAT") this.events.change(change);
    this.events.silence(0);
  }
}
