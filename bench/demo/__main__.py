"""The command line of `make demo`."""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench.demo.reservations import RESERVATIONS_MAX
from bench.demo.scenes import Scene, reservations_scene, worlds_scene
from bench.demo.screen import Screen, summary_table
from bench.demo.stage import demo_home, perform
from bench.demo.summary import broken
from client import Refusal
from deploy.local import StackError

SUMMARY_FILE = "demo.json"
SEED = 1


def options() -> argparse.Namespace:
    """Reads the command line; MAX and SEED may come from the environment, as make gives them."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="a reservations file to replay")
    parser.add_argument(
        "--max",
        type=int,
        default=int(os.environ.get("MAX") or RESERVATIONS_MAX),
        help="play at most this many",
    )
    parser.add_argument(
        "--merges",
        action="store_true",
        default=bool(os.environ.get("MERGES")),
        help="put tables of the file together for parties that none takes alone",
    )
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or SEED))
    return parser.parse_args()


def scene_of(wanted: argparse.Namespace) -> Scene:
    """Chooses what to play."""
    now = datetime.now(UTC)
    if wanted.data:
        return reservations_scene(
            wanted.data, maximum=wanted.max, seed=wanted.seed, now=now, merges=wanted.merges
        )
    return worlds_scene(maximum=wanted.max, seed=wanted.seed, now=now)


def run(wanted: argparse.Namespace, screen: Screen) -> dict[str, Any]:
    """Plays and writes demo.json."""
    scene = scene_of(wanted)
    home = demo_home()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        summary = runner.run(perform(scene, run_dir=home / "demo", seed=wanted.seed, screen=screen))
    (home / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def main() -> None:
    """Plays, shows the summary, and exits with 1 when a promise was broken."""
    screen = Screen()
    try:
        summary = run(options(), screen)
    except (OSError, StackError, Refusal) as error:
        sys.exit(f"the demo could not be played: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    screen.console.print(summary_table(summary))
    for line in summary["violations"]:
        screen.say(f"  {line}")
    promises = broken(summary)
    if promises:
        sys.exit("broken: " + "; ".join(promises))
    screen.say("every promise was kept")


if __name__ == "__main__":
    main()
