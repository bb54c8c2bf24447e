// Wall clocks of the site's zone: which moment a local time is, and how a moment reads there.

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
}

const clocks = new Map<string, Intl.DateTimeFormat>();
const readers = new Map<string, Intl.DateTimeFormat>();

function clock(zone: string): Intl.DateTimeFormat {
  let found = clocks.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
    });
    clocks.set(zone, found);
  }
  return found;
}

/** What the zone's clocks show at a moment. */
export function wallOf(zone: string, ms: number): Wall {
  const read: Record<string, number> = {};
  for (const part of clock(zone).formatToParts(ms)) read[part.type] = Number(part.value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = read;
  return { year, month, day, hour, minute };
}

function offsetMs(zone: string, ms: number): number {
  const wall = wallOf(zone, ms);
  const shown = Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute);
  return shown - Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}

/** The moment at which the zone's clocks show a date and a time; the earlier of two. */
export function momentOf(zone: string, date: string, minutes = 0): number {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  const shown = Date.UTC(year, month - 1, day) + minutes * MINUTE_MS;
  const early = shown - offsetMs(zone, shown - 24 * HOUR_MS);
  const late = shown - offsetMs(zone, shown + 24 * HOUR_MS);
  const fits = (ms: number) => ms + offsetMs(zone, ms) === shown;
  return fits(early) ? early : fits(late) ? late : Math.max(early, late);
}

/** The local date of a moment, as YYYY-MM-DD. */
export function dateOf(zone: string, ms: number): string {
  const { year, month, day } = wallOf(zone, ms);
  return `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 24 * HOUR_MS).toISOString().slice(0, 10);
}

/** The Monday of a date's week. */
export function mondayOf(date: string): string {
  const weekday = (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7;
  return addDays(date, -weekday);
}

function reader(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = readers.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    readers.set(key, found);
  }
  return found;
}

export function timeText(zone: string, ms: number): string {
  return reader(zone, { hour: "2-digit", minute: "2-digit" }).format(ms);
}

export function dayText(zone: string, ms: number): string {
  return reader(zone, { weekday: "short", day: "numeric", month: "short" }).format(ms);
}

export function longDayText(zone: string, ms: number): string {
  const options = { weekday: "short", day: "numeric", month: "long", year: "numeric" } as const;
  return reader(zone, options).format(ms);
}

/** Days from a first to a last, as "23–29 Nov 2026". */
export function daysText(zone: string, first: number, last: number): string {
  return reader(zone, { day: "numeric", month: "short", year: "numeric" }).formatRange(first, last);
}

export function weekdayText(zone: string, ms: number): string {
  return reader(zone, { weekday: "short", day: "numeric" }).format(ms);
}

export function spanText(zone: string, start: number, end: number): string {
  const sameDay = dateOf(zone, start) === dateOf(zone, end - 1);
  const last = sameDay ? timeText(zone, end) : `${dayText(zone, end)} ${timeText(zone, end)}`;
  return `${dayText(zone, start)} ${timeText(zone, start)}–${last}`;
}

/** The zone with how far it is from UTC at a moment, as "Europe/Berlin, UTC+1". */
export function zoneText(zone: string, ms: number): string {
  const parts = reader(zone, { timeZoneName: "shortOffset" }).formatToParts(ms);
  const offset = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${zone.replace("_", " ")}, ${offset.replace("GMT", "UTC")}`;
}

/** A duration of the API, such as "5400s", in milliseconds. */
export function durationMs(text: string): number {
  return Number.parseFloat(text) * 1_000 || 0;
}

export function durationText(ms: number): string {
  const minutes = Math.round(ms / MINUTE_MS);
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return [hours ? `${hours} h` : "", rest || !hours ? `${rest} min` : ""].filter(Boolean).join(" ");
}
