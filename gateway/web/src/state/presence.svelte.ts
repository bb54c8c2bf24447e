// Who else is looking at what: told by every open page, forgotten when it falls silent.
import { SvelteMap } from "svelte/reactivity";
import type { Change } from "../api/types";
import { session } from "./session.svelte";
import type { World } from "./world.svelte";

interface Looking {
  name: string;
  requestId: string;
  heardAt: number;
}

const TELL_MS = 8_000;
const FORGET_MS = 20_000;
const LOOK_MS = 2_000;

export class Presence {
  private readonly others = new SvelteMap<string, Looking>();
  private readonly clientId = crypto.randomUUID();
  private told = "";
  private toldAt = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private wanted = "";

  constructor(private readonly world: World) {
    world.onPresence = (change) => this.take(change);
  }

  start(): () => void {
    this.timer = setInterval(() => this.look(), LOOK_MS);
    return () => {
      clearInterval(this.timer);
      if (this.told) void this.world.calls.tellPresence(this.clientId, "").catch(() => {});
    };
  }

  /** Says what is looked at now; empty: nothing. */
  lookAt(requestId: string): void {
    this.wanted = requestId;
    this.look();
  }

  /** Names of the others who look at a request; one's own other tabs are not among them. */
  at(requestId: string): string[] {
    const names = [...this.others.values()]
      .filter((one) => one.requestId === requestId && one.name !== session.name)
      .map((one) => one.name);
    return [...new Set(names)].sort();
  }

  private look(): void {
    const now = performance.now();
    for (const [id, one] of this.others) {
      if (now - one.heardAt > FORGET_MS) this.others.delete(id);
    }
    const due = this.wanted !== this.told || (this.told !== "" && now - this.toldAt > TELL_MS);
    if (!due || this.world.phase !== "ready") return;
    this.told = this.wanted;
    this.toldAt = now;
    // Presence is a courtesy: where it cannot be told, nothing else suffers.
    void this.world.calls.tellPresence(this.clientId, this.wanted).catch(() => {});
  }

  private take(change: Change): void {
    const clientId = String(change.payload?.clientId ?? "");
    if (!clientId || clientId === this.clientId) return;
    if (change.kind === "LEFT") this.others.delete(clientId);
    else {
      const name = String(change.payload?.actor ?? "");
      this.others.set(clientId, { name, requestId: change.id, heardAt: performance.now() });
    }
  }
}
