"""The rows of the performance table: what was measured, beside what it is measured against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from deploy.local.servers import Servers
from deploy.local.tokens import Minter


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; a row without a goal only informs."""

    # What was measured, such as "cold n1000_b100_d30".
    name: str
    value: float
    unit: str
    # What it was measured against in the same run, with that one's value in the same unit.
    against: str = ""
    against_value: float | None = None
    # How many times better than that, as the row counts it; what the goal speaks of.
    ratio: float | None = None
    # What was to be reached, in words, such as "at least 7 times faster".
    goal: str = ""
    # Whether the goal was reached; None where there is none.
    reached: bool | None = None
    # What a reader must know to believe it: sizes, hashes, p99.
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns the row for bench.json."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a part may use while it measures."""

    servers: Servers
    minter: Minter
    # Where plots and other files go.
    home: Path
    # Shows a line of progress.
    say: Callable[[str], None]


# What `bench.<part>.rows` has: a function that measures and yields rows as they are done.
Measure = Callable[[Bench], AsyncIterator[Row]]


def number(value: float) -> str:
    """Writes a figure with three significant digits, or whole if it is large."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def drawn(part: str, rows: list[Row]) -> Table:
    """Draws the table of one part."""
    table = Table(title=part, title_justify="left", expand=False)
    for heading in ("what", "us", "against", "theirs", "ratio", "goal", ""):
        right = heading in {"us", "theirs", "ratio"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        theirs = "" if row.against_value is None else f"{number(row.against_value)} {row.unit}"
        mark = {None: "", True: "reached", False: "[red]missed[/red]"}[row.reached]
        table.add_row(
            f"{row.name}\n  {row.note}" if row.note else row.name,
            f"{number(row.value)} {row.unit}",
            row.against,
            theirs,
            "" if row.ratio is None else f"{number(row.ratio)}×",
            row.goal,
            mark,
        )
    return table
