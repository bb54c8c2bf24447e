// The calls the page makes, by the names of the contract.
import { type Http, query } from "./http";
import type {
  Assignment,
  BookingRequest,
  Fairness,
  Gap,
  Hold,
  HourDemand,
  Ranking,
  Resource,
  Schedule,
  ServiceType,
  Tenant,
  Utilization,
  Verdict,
} from "./types";

const PAGE_SIZE = 500;
// The page shows no more than this many of a kind; a tenant with more works through filters.
const THINGS_MAX = 5_000;
const PLANS_MAX = 200;

type Page<K extends string, T> = Record<K, T[]> & { nextPageToken?: string };

export interface Place {
  resourceIds: string[];
  start: string;
}

/** Something that might be put at a start. */
export interface Placing {
  serviceTypeId: string;
  partySize: number;
  start: string;
  ignoreAssignmentId?: string;
}

export class Calls {
  constructor(private readonly http: Http) {}

  tenant = () => this.http.get<Tenant>("/v1/tenant");
  resources = () => this.all<"resources", Resource>("/v1/resources", "resources", {});
  serviceTypes = () =>
    this.all<"serviceTypes", ServiceType>("/v1/serviceTypes", "serviceTypes", {});
  requests = (state: string) =>
    this.all<"requests", BookingRequest>("/v1/requests", "requests", { state });
  request = (id: string) => this.http.get<BookingRequest>(`/v1/requests/${encodeURIComponent(id)}`);
  assignment = (id: string) =>
    this.http.get<Assignment>(`/v1/assignments/${encodeURIComponent(id)}`);

  assignments = (startTime: string, endTime: string) =>
    this.all<"assignments", Assignment>("/v1/assignments", "assignments", {
      "window.startTime": startTime,
      "window.endTime": endTime,
    });

  holds = () => this.all<"holds", Hold>("/v1/holds", "holds", {});

  schedule = (resourceId: string, startTime: string, endTime: string, signal?: AbortSignal) =>
    this.http.get<Schedule>(
      `/v1/resources/${encodeURIComponent(resourceId)}/schedule` +
        query({ "window.startTime": startTime, "window.endTime": endTime }),
      signal,
    );

  rank = (bookingRequestId: string, limit: number, signal?: AbortSignal) =>
    this.http.ask<Ranking>("/v1/candidates:rank", { bookingRequestId, limit }, signal);

  /** Every plan that could serve at a start, best first; what it takes itself counts as free. */
  plansAt = (one: Placing, signal?: AbortSignal) =>
    this.http.ask<Ranking>(
      "/v1/candidates:rank",
      {
        request: { serviceTypeId: one.serviceTypeId, partySize: one.partySize },
        slot: { startTime: one.start },
        ignoreAssignmentId: one.ignoreAssignmentId,
        limit: PLANS_MAX,
        maxRejections: 0,
      },
      signal,
    );

  /** What each resource would say to a start; what it takes itself counts as free. */
  explain = (one: Placing, resourceIds: string[], signal?: AbortSignal) =>
    this.http.ask<{ verdicts: Verdict[] }>(
      "/v1/slots:explain",
      {
        serviceTypeId: one.serviceTypeId,
        partySize: one.partySize,
        resourceIds,
        slot: { startTime: one.start },
        ignoreAssignmentId: one.ignoreAssignmentId,
      },
      signal,
    );

  assign = (bookingRequestId: string, place: Place, reason: string) =>
    this.http.write<Assignment>("POST", "/v1/assignments", { bookingRequestId, ...place, reason });
  hold = (bookingRequestId: string, place: Place) =>
    this.http.write<Hold>("POST", "/v1/holds", { bookingRequestId, ...place });
  confirm = (token: string) =>
    this.http.write<Assignment>("POST", `/v1/holds/${encodeURIComponent(token)}:confirm`, {});
  release = (token: string) =>
    this.http.write<Hold>("DELETE", `/v1/holds/${encodeURIComponent(token)}`, undefined);
  reassign = (id: string, place: Place, etag: string, reason: string) =>
    this.http.write<Assignment>("POST", `/v1/assignments/${encodeURIComponent(id)}:reassign`, {
      ...place,
      etag,
      reason,
    });
  cancel = (id: string, etag: string, reason: string) =>
    this.http.write<Assignment>("POST", `/v1/assignments/${encodeURIComponent(id)}:cancel`, {
      etag,
      reason,
    });

  fairness = (month: string) => this.http.get<Fairness>(`/v1/fairness${query({ month })}`);
  utilization = (by: "RESOURCE" | "DAY", startTime: string, endTime: string) =>
    this.http.get<{ rows: Utilization[]; total?: Utilization }>(
      `/v1/utilization${query({ by, "window.startTime": startTime, "window.endTime": endTime })}`,
    );
  demand = () => this.http.get<{ rows: HourDemand[] }>("/v1/demand");
  gaps = () => this.all<"gaps", Gap>("/v1/gaps", "gaps", {});

  tellPresence = (clientId: string, bookingRequestId: string) =>
    this.http.ask<object>("/v1/presence", { clientId, bookingRequestId });

  private async all<K extends string, T>(
    path: string,
    key: K,
    filter: Record<string, string>,
  ): Promise<T[]> {
    const found: T[] = [];
    let pageToken = "";
    do {
      const page = await this.http.get<Page<K, T>>(
        path + query({ ...filter, pageSize: PAGE_SIZE, pageToken }),
      );
      found.push(...page[key]);
      pageToken = page.nextPageToken ?? "";
    } while (pageToken && found.length < THINGS_MAX);
    return found;
  }
}
