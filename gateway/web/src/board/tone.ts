// One of a few tones for each kind of work, always the same one.

const TONES = 6;

export function toneOf(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % TONES;
}
