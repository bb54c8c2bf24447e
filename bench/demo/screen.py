"""Shows a run: a live table on a terminal, plain lines anywhere else."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from bench.demo.planner import Planner
from bench.demo.tally import Tally

LIVE_PAUSE_SECONDS = 0.25
PLAIN_PAUSE_SECONDS = 5.0


class Screen:
    """Where a run is shown."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def say(self, line: str) -> None:
        """Shows one line that stays."""
        self.console.print(line, markup=False, soft_wrap=True)

    async def follow(self, tally: Tally, planners: Sequence[Planner]) -> None:
        """Shows the counts until cancelled."""
        begun = time.monotonic()
        if not self.console.is_terminal:
            while True:
                await asyncio.sleep(PLAIN_PAUSE_SECONDS)
                self.say(plain(tally, planners, time.monotonic() - begun))
        bar = Progress(TextColumn("{task.percentage:>3.0f}%"), BarColumn(None), expand=True)
        task = bar.add_task("", total=tally.wanted)
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while True:
                bar.update(task, completed=tally.done)
                seconds = time.monotonic() - begun
                live.update(Group(bar, counts(tally, planners, seconds)), refresh=True)
                await asyncio.sleep(LIVE_PAUSE_SECONDS)


def plain(tally: Tally, planners: Sequence[Planner], seconds: float) -> str:
    """Tells the counts in one line."""
    seen = min((len(planner.seen) for planner in planners), default=0)
    return (
        f"  {seconds:5.0f} s  {tally.done:,} of {tally.wanted:,}: {tally.confirmed:,} booked "
        f"({tally.confirmed / max(seconds, 0.001):.0f}/s), {tally.forgotten:,} left to expire, "
        f"{tally.refused.total():,} refused; {tally.conflicts:,} conflicts; "
        f"every planner has seen {seen:,} changes"
    )


def counts(tally: Tally, planners: Sequence[Planner], seconds: float) -> RenderableType:
    """Draws the counts."""
    table = Table.grid(padding=(0, 2))
    seen = min((len(planner.seen) for planner in planners), default=0)
    rows = {
        "booked": f"{tally.confirmed:,}",
        "a second": f"{tally.confirmed / max(seconds, 0.001):.0f}",
        "left to expire": f"{tally.forgotten:,}",
        "refused": f"{tally.refused.total():,}",
        "lost a race, took another": f"{tally.conflicts:,}",
        "changes every planner saw": f"{seen:,}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def summary_table(summary: Mapping[str, Any]) -> RenderableType:
    """Draws the summary; an invariant that broke is red."""
    table = Table(title="What happened", show_header=False)
    for name, value in summary.items():
        if name == "latency_ms":
            continue
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        table.add_row(name.replace("_", " "), f"{text:,}" if isinstance(text, int) else str(text))
    latency = Table(title="Milliseconds per call")
    for heading in ("call", "p50", "p99", "max"):
        latency.add_column(heading, justify="left" if heading == "call" else "right")
    for rpc, values in summary["latency_ms"].items():
        latency.add_row(rpc, *(f"{values[name]:.1f}" for name in ("p50", "p99", "max")))
    return Group(table, latency)
