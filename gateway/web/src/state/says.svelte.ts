// What the page says to its planner: short notes, also for those who listen to them.

export interface Note {
  id: number;
  text: string;
  tone: "good" | "plain" | "bad";
  undo?: () => void;
}

const NOTE_MS = 7_000;
const NOTES_MAX = 3;

class Says {
  notes = $state.raw<Note[]>([]);
  /** Spoken by screen readers only: where a move would land, who is looking. */
  whisper = $state("");
  private next = 1;

  note(text: string, tone: Note["tone"] = "plain", undo?: () => void): void {
    const note = { id: this.next++, text, tone, undo };
    this.notes = [...this.notes, note].slice(-NOTES_MAX);
    setTimeout(() => this.drop(note.id), NOTE_MS);
  }

  drop(id: number): void {
    this.notes = this.notes.filter((one) => one.id !== id);
  }
}

export const says = new Says();
