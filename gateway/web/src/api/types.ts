// What the public API says, as JSON: the fields the page reads.

export interface Interval {
  startTime: string;
  endTime: string;
}

export interface Tenant {
  id: string;
  displayName: string;
  timeZone: string;
}

export interface Resource {
  id: string;
  displayName: string;
  kind: string;
  active?: boolean;
  timeZone: string;
  skills: { name: string; level: number }[];
  zone: string;
  capacityMax: number;
}

export interface ServiceType {
  id: string;
  displayName: string;
  duration: string;
  granularity: string;
}

export interface BookingRequest {
  id: string;
  serviceTypeId: string;
  window?: Interval;
  partySize: number;
  state: string;
  assignmentId: string;
  zone: string;
  requiredSkills: string[];
  labels: Record<string, string>;
  createdAt: string;
  etag: string;
}

export interface Assignment {
  id: string;
  state: string;
  resourceIds: string[];
  start: string;
  end: string;
  bookingRequestId: string;
  serviceTypeId: string;
  partySize: number;
  assignmentReason: string;
  assignedBy: string;
  etag: string;
  flags?: string[];
  risks?: { resourceId: string; code: string; detail: string }[];
}

export interface Hold {
  id: string;
  token?: string;
  resourceIds: string[];
  start: string;
  end: string;
  expiresAt: string;
  bookingRequestId: string;
  serviceTypeId: string;
  partySize: number;
  state: string;
  heldBy: string;
}

export interface Schedule {
  resourceId: string;
  working: Interval[];
  timeOff: { id: string; interval: Interval; reason: string }[];
  externalBusy: { uid: string; interval: Interval }[];
  timeZone: string;
}

export interface Term {
  rule: string;
  points: number;
  maxPoints: number;
  reason: string;
}

export interface Candidate {
  resourceIds: string[];
  start: string;
  end: string;
  matchPercent: number;
  terms: Term[];
  explanation: string;
}

export interface Ranking {
  candidates: Candidate[];
  rejections: { resourceId: string; reasons: string[] }[];
  rejectedCount: number;
  policy: string;
  freshness: string;
  result: string;
}

export interface Obstacle {
  code: string;
  blockingId: string;
  detail: string;
}

export interface Verdict {
  resourceId: string;
  free: boolean;
  obstacles: Obstacle[];
}

export interface FairnessRow {
  resourceId: string;
  displayName: string;
  offeredDays: number;
  deliveredDays: number;
  committedDays: number;
  targetShare: number;
  actualShare: number;
  gap: number;
  withinTolerance: boolean;
}

export interface Fairness {
  rows: FairnessRow[];
  month: string;
  timeZone: string;
  tolerancePercent: number;
}

export interface Change {
  topic: string;
  kind: string;
  id: string;
  version: string;
  position: string;
  payload?: Record<string, unknown>;
  at: string;
}

/** A request that could not be served, with the reasons counted. */
export interface Gap {
  request: BookingRequest;
  reasons: { reason: string; count: number }[];
  explanation: string;
  attempts: number;
  triedAt?: string;
}

/** How much of some working time is booked; 64-bit numbers come as text. */
export interface Utilization {
  resourceId: string;
  displayName: string;
  date: string;
  workingMinutes: string;
  bookedMinutes: string;
  percent: number;
  assignments: number;
}

export interface HourDemand {
  weekday: string;
  hour: number;
  searches: string;
  searchesWithoutResult: string;
  bookings: string;
  starts: string;
}
