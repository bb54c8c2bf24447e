// One watch of the feed over HTTP: changes as they come, given up when it falls silent.
import { query, refusalOf } from "./http";
import type { Change } from "./types";

const HEARTBEAT = "1.500s";
// A stream that has been silent for longer is given up and watched anew.
export const GIVE_UP_MS = 7_000;
const LOOK_MS = 250;

/** Hands on what comes after a position until the stream ends; raises why it was refused. */
export async function watch(
  token: string,
  position: string,
  stop: AbortSignal,
  take: (change: Change) => void,
): Promise<void> {
  const silence = new AbortController();
  let heardAt = performance.now();
  const giveUp = setInterval(() => {
    if (performance.now() - heardAt > GIVE_UP_MS) silence.abort();
  }, LOOK_MS);
  try {
    const answer = await fetch(
      `/v1/changes${query({ resumeToken: position, heartbeat: HEARTBEAT, together: "true" })}`,
      {
        headers: { accept: "text/event-stream", authorization: `Bearer ${token}` },
        signal: AbortSignal.any([stop, silence.signal]),
        cache: "no-store",
      },
    );
    if (!answer.ok || !answer.body) throw await refusalOf(answer);
    await read(answer.body, (change) => {
      heardAt = performance.now();
      take(change);
    });
  } finally {
    clearInterval(giveUp);
    silence.abort();
  }
}

async function read(
  body: ReadableStream<Uint8Array>,
  take: (change: Change) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const { more = [], ...first } = JSON.parse(line.slice(5));
      for (const change of [first, ...more]) take(change);
    }
  }
}
