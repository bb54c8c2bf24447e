// The board's line of time: some days, each with the same hours, laid side by side.
import { addDays, HOUR_MS, MINUTE_MS, momentOf, timeText, wallOf } from "./zone";

export interface ShownDay {
  date: string;
  from: number;
  to: number;
}

export interface Piece {
  left: number;
  width: number;
  /** Whether the thing goes on before or after this piece. */
  cutBefore: boolean;
  cutAfter: boolean;
}

const DAY_MINUTES = 24 * 60;
const USUAL = { from: 8 * 60, to: 18 * 60 };

/** The hours every shown day needs so that all these spans can be seen. */
export function hoursFor(zone: string, spans: { start: number; end: number }[]) {
  let from = DAY_MINUTES;
  let to = 0;
  for (const { start, end } of spans) {
    const first = wallOf(zone, start);
    const last = wallOf(zone, end - MINUTE_MS);
    if (first.day !== last.day) return { from: 0, to: DAY_MINUTES };
    from = Math.min(from, first.hour * 60);
    to = Math.max(to, (last.hour + 1) * 60);
  }
  if (from >= to) return USUAL;
  return { from, to };
}

export class Axis {
  readonly days: ShownDay[];

  constructor(
    readonly zone: string,
    first: string,
    count: number,
    hours: { from: number; to: number },
  ) {
    this.days = Array.from({ length: count }, (_, index) => {
      const date = addDays(first, index);
      return { date, from: momentOf(zone, date, hours.from), to: momentOf(zone, date, hours.to) };
    });
  }

  /** The visible pieces of a span, one per day it touches, in parts of the whole width. */
  pieces(start: number, end: number): Piece[] {
    const share = 1 / this.days.length;
    return this.days.flatMap((day, index) => {
      const from = Math.max(start, day.from);
      const to = Math.min(end, day.to);
      if (from >= to) return [];
      const length = day.to - day.from;
      return [
        {
          left: (index + (from - day.from) / length) * share,
          width: ((to - from) / length) * share,
          cutBefore: start < from,
          cutAfter: end > to,
        },
      ];
    });
  }

  /** The moment at a place, as a part of the whole width. */
  momentAt(place: number): number {
    const scaled = Math.min(Math.max(place, 0), 0.999_999) * this.days.length;
    const day = this.days[Math.floor(scaled)];
    return day ? day.from + (scaled % 1) * (day.to - day.from) : 0;
  }

  /** Where a moment is, as a part of the whole width; undefined where it is not shown. */
  placeOf(moment: number): number | undefined {
    const index = this.days.findIndex((day) => moment >= day.from && moment < day.to);
    const day = this.days[index];
    if (!day) return undefined;
    return (index + (moment - day.from) / (day.to - day.from)) / this.days.length;
  }

  /** Full hours to mark, few enough to read. */
  marks(perDayMax: number): { place: number; text: string }[] {
    return this.days.flatMap((day, index) => {
      const hours = (day.to - day.from) / HOUR_MS;
      const step = [1, 2, 3, 4, 6, 12].find((each) => hours / each <= perDayMax) ?? 24;
      const found: { place: number; text: string }[] = [];
      for (let at = day.from; at < day.to; at += HOUR_MS) {
        if (wallOf(this.zone, at).hour % step !== 0) continue;
        const place = (index + (at - day.from) / (day.to - day.from)) / this.days.length;
        found.push({ place, text: timeText(this.zone, at) });
      }
      return found;
    });
  }
}
