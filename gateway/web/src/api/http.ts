// Calls the edge: JSON over fetch, refusals as typed errors.

const CALL_MS = 15_000;

/** Why a call was refused: the reason of the contract and what came with it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly metadata: Record<string, string> = {},
    readonly details: Record<string, unknown>[] = [],
  ) {
    super(message);
  }

  /** Returns the attached message of that type, if there is one. */
  detail(type: string): Record<string, unknown> | undefined {
    return this.details.find((one) => String(one["@type"]).endsWith(type));
  }
}

/** The query of a URL; lists repeat their name, empty values are left out. */
export function query(values: Record<string, string | number | string[] | undefined>): string {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const one of value) made.append(name, one);
    else if (value !== undefined && value !== "") made.set(name, String(value));
  }
  const text = made.toString();
  return text ? `?${text}` : "";
}

/** Reads the refusal in an answer that is not a success. */
export async function refusalOf(answer: Response): Promise<Refusal> {
  try {
    const body = await answer.json();
    const details: Record<string, unknown>[] = body.details ?? [];
    const info = details.find((one) => String(one["@type"]).endsWith("ErrorInfo"));
    const reason = String(info?.reason ?? "UNKNOWN");
    const metadata = (info?.metadata ?? {}) as Record<string, string>;
    return new Refusal(answer.status, reason, String(body.message ?? reason), metadata, details);
  } catch {
    return new Refusal(answer.status, "UNKNOWN", `the server answered ${answer.status}`);
  }
}

export class Http {
  constructor(
    readonly token: string,
    private readonly onUnauthenticated: () => void,
  ) {}

  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.call<T>("GET", path, undefined, undefined, signal);
  }

  /** Sends a write; the key makes sure that it happens once however often it is sent. */
  write<T>(method: string, path: string, body: unknown): Promise<T> {
    return this.call<T>(method, path, body, crypto.randomUUID());
  }

  ask<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    return this.call<T>("POST", path, body, undefined, signal);
  }

  private async call<T>(
    method: string,
    path: string,
    body?: unknown,
    key?: string,
    signal?: AbortSignal,
  ): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (key) headers["idempotency-key"] = key;
    const limit = AbortSignal.timeout(CALL_MS);
    let answer: Response;
    try {
      answer = await fetch(path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refusal(0, "UNREACHABLE", "the server cannot be reached");
    }
    if (answer.ok) return (await answer.json()) as T;
    const refusal = await refusalOf(answer);
    if (refusal.reason === "UNAUTHENTICATED") this.onUnauthenticated();
    throw refusal;
  }
}
