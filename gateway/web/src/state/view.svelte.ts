// What the planner looks at: the page's part, the dates, and the thing that is chosen.
import type { Candidate } from "../api/types";
import { addDays, dateOf, mondayOf } from "../time/zone";

export type Part = "board" | "fairness" | "gaps" | "demand";
export type Span = "day" | "week";
export type Chosen = { kind: "request" | "assignment" | "hold"; id: string };

export const PARTS: { id: Part; name: string }[] = [
  { id: "board", name: "Board" },
  { id: "fairness", name: "Fairness" },
  { id: "gaps", name: "Gaps" },
  { id: "demand", name: "Use and demand" },
];

// Where a week would be too small to read, the board begins with a day.
const NARROW = "(max-width: 999px)";

class View {
  part = $state<Part>("board");
  span = $state<Span>(matchMedia(NARROW).matches ? "day" : "week");
  date = $state("");
  chosen = $state.raw<Chosen | undefined>();
  /** The candidate under the pointer or the focus; the board shows where it would be. */
  glimpse = $state.raw<Candidate | undefined>();
  filter = $state("");
  readonly first = $derived(this.date && this.span === "week" ? mondayOf(this.date) : this.date);
  readonly count = $derived(this.span === "week" ? 7 : 1);

  step(direction: number): void {
    this.date = addDays(this.date, direction * this.count);
  }

  goTo(zone: string, moment: number): void {
    this.date = dateOf(zone, moment);
  }

  choose(chosen: Chosen | undefined): void {
    this.chosen = chosen;
    this.glimpse = undefined;
  }
}

export const view = new View();
