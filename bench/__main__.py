"""The command line of `make bench`: measures every part in one run and prints the table."""

import argparse
import asyncio
import importlib
import json
import os
import platform
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from bench.table import Bench, Measure, Row, drawn
from deploy.local.background import background
from deploy.local.rundir import RunDir
from deploy.local.servers import EXTERNAL, Servers, started_here
from deploy.local.stack import SERVERS_FILE
from deploy.local.tokens import Minter

PARTS = ("availability", "matching", "ledger", "feed")
RESULT_FILE = "bench.json"


def measure_of(part: str) -> Measure | None:
    """Returns what measures a part, if it has something to measure."""
    if find_spec(f"bench.{part}") is None or find_spec(f"bench.{part}.rows") is None:
        return None
    measure: Measure = importlib.import_module(f"bench.{part}.rows").rows
    return measure


async def measured(measure: Measure, bench: Bench) -> list[Row]:
    """Collects the rows of one part."""
    return [row async for row in measure(bench)]


def run(parts: list[str], console: Console, home: Path, servers: Servers) -> dict[str, Any]:
    """Measures the parts one after the other; returns what bench.json holds."""
    bench = Bench(
        servers=servers,
        minter=Minter.of(RunDir.at(home)),
        home=home,
        say=lambda line: console.print(f"  {line}", markup=False, soft_wrap=True),
    )
    result: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "parts": {},
    }
    for part in parts:
        if (measure := measure_of(part)) is None:
            continue
        console.print(f"measuring {part}")
        begun = time.monotonic()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows = runner.run(measured(measure, bench))
        console.print(drawn(part, rows))
        result["parts"][part] = {
            "seconds": round(time.monotonic() - begun, 1),
            "rows": [row.as_json() for row in rows],
        }
    return result


def main() -> None:
    """Measures, prints, writes bench.json, and exits with 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these parts")
    parts = parser.parse_args().parts or list(PARTS)
    console = Console(highlight=False, width=max(Console().width, 140))
    home = RunDir.of(os.environ)
    own = RunDir(home.path / "bench")
    own.prepare()
    if started_here(os.environ):
        with background(own, ["servers"], SERVERS_FILE) as found:
            servers = Servers(found["database_url"], found["nats_url"], found["redis_url"])
            result = run(parts, console, own.path, servers)
    else:
        servers = Servers(*(os.environ[setting] for setting in EXTERNAL.values()))
        result = run(parts, console, own.path, servers)
    (home.path / RESULT_FILE).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    missed = [
        f"{part}: {row['name']}"
        for part, found in result["parts"].items()
        for row in found["rows"]
        if row["reached"] is False
    ]
    if missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
