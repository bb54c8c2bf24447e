// What every part of the page works with, handed down by context.
import { getContext, setContext } from "svelte";
import { Edits } from "./edits.svelte";
import { Move } from "./move.svelte";
import { Presence } from "./presence.svelte";
import { World } from "./world.svelte";

export interface Page {
  world: World;
  edits: Edits;
  move: Move;
  presence: Presence;
}

const KEY = Symbol("page");

export function openPage(token: string): Page {
  const world = new World(token);
  const edits = new Edits(world);
  const page = { world, edits, move: new Move(world, edits), presence: new Presence(world) };
  setContext(KEY, page);
  return page;
}

export const thePage = (): Page => getContext<Page>(KEY);
