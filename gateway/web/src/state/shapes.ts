// Makes things of the feed's payloads, which leave out what is empty.
import type { Assignment, BookingRequest, Change, Hold } from "../api/types";

type Payload = Record<string, unknown>;

const text = (value: unknown) => (typeof value === "string" ? value : "");
const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);

export function requestOf(change: Change): BookingRequest {
  const payload: Payload = change.payload ?? {};
  return {
    id: change.id,
    serviceTypeId: text(payload.serviceTypeId),
    window: payload.window as BookingRequest["window"],
    partySize: Number(payload.partySize ?? 0),
    state: text(payload.state) || change.kind,
    assignmentId: text(payload.assignmentId),
    zone: text(payload.zone),
    requiredSkills: list(payload.requiredSkills),
    labels: (payload.labels ?? {}) as Record<string, string>,
    createdAt: text(payload.createdAt),
    etag: text(payload.etag) || change.version,
  };
}

export function assignmentOf(change: Change): Assignment {
  const payload: Payload = change.payload ?? {};
  return {
    id: change.id,
    state: text(payload.state) || change.kind,
    resourceIds: list(payload.resourceIds),
    start: text(payload.start),
    end: text(payload.end),
    bookingRequestId: text(payload.bookingRequestId),
    serviceTypeId: text(payload.serviceTypeId),
    partySize: Number(payload.partySize ?? 0),
    assignmentReason: text(payload.assignmentReason) || text(payload.reason),
    assignedBy: text(payload.actor),
    etag: text(payload.etag) || change.version,
    flags: list(payload.flags),
    risks: (payload.risks ?? []) as Assignment["risks"],
  };
}

export function holdOf(change: Change): Hold {
  const payload: Payload = change.payload ?? {};
  return {
    id: change.id,
    resourceIds: list(payload.resourceIds),
    start: text(payload.start),
    end: text(payload.end),
    expiresAt: text(payload.expiresAt),
    bookingRequestId: text(payload.bookingRequestId),
    serviceTypeId: text(payload.serviceTypeId),
    partySize: Number(payload.partySize ?? 0),
    state: text(payload.state) || change.kind,
    heldBy: text(payload.heldBy),
  };
}
