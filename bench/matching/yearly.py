"""Shows a year of a training team of twelve: who was within tolerance, as a table and a plot."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bench.matching.bound import Bounded, bounded
from bench.matching.playing import play
from bench.matching.team import SEED, story
from bench.matching.year import Played, months
from bench.table import Bench, Row

WEEKLY_SECONDS = 0.5
GOAL_PERCENT = 95.0
GOAL = f"at least {GOAL_PERCENT:.0f} % of what is feasible"
# So many years of other seeds, so that no luck decides.
YEARS = 5
TABLE_FILE, PLOT_FILE = "fair-year.md", "fair-year.png"
V1, V2, PLANNED = "v1 at once", "v2 at once", "v2 planned weekly"


@dataclass(frozen=True)
class Line:
    """One way to give the year's courses."""

    name: str
    played: Played
    months: tuple[Bounded, ...]

    @property
    def within(self) -> int:
        """Resource-months within tolerance."""
        return sum(one.within for one in self.months)

    @property
    def possible(self) -> int:
        """Resource-months that could have been, at most."""
        return sum(one.most for one in self.months)

    @property
    def proven(self) -> int:
        """Months whose bound is proven."""
        return sum(one.proven for one in self.months)

    @property
    def percent(self) -> float:
        """Those within, of those that could have been."""
        return 100 * self.within / self.possible


async def rows_of(bench: Bench) -> AsyncIterator[Row]:
    """Plays one year three times and others once, and writes the table and the plot."""
    lines = []
    for name, policy, seconds in (
        (V1, "v1", 0.0),
        (V2, "v2", 0.0),
        (PLANNED, "v2", WEEKLY_SECONDS),
    ):
        bench.say(f"playing a year: {name}")
        lines.append(await line_of(name, SEED, policy, seconds))
    years = [lines[1]]
    for seed in range(SEED + 1, SEED + YEARS):
        bench.say(f"playing another year: {V2}, seed {seed}")
        years.append(await line_of(f"seed {seed}", seed, "v2", 0.0))
    (bench.home / TABLE_FILE).write_text(table(lines) + table_of_years(years))
    plot(lines, str(bench.home / PLOT_FILE))
    before = lines[0]
    for line in lines:
        yield Row(
            name=f"fair year: {line.name}",
            value=line.percent,
            unit="%",
            against="" if line is before else before.name,
            against_value=None if line is before else before.percent,
            goal="" if line is before else GOAL,
            reached=None if line is before else line.percent >= GOAL_PERCENT,
            note=(
                f"{line.within} resource-months within 20 % of {line.possible} feasible "
                f"({sum(one.people for one in line.months)} in all); bounded by CP-SAT with "
                f"hindsight, {line.proven} of 12 months proven; {len(line.played.given)} courses "
                f"given, {len(line.played.unserved)} not; {TABLE_FILE}, {PLOT_FILE}"
            ),
        )
    within, possible = (sum(values) for values in zip(*map(counts, years), strict=True))
    yield Row(
        name=f"fair year: {V2}, {YEARS} years",
        value=100 * within / possible,
        unit="%",
        goal=GOAL,
        reached=100 * within / possible >= GOAL_PERCENT,
        note=(
            f"{within} of {possible} feasible resource-months; year by year "
            f"{', '.join(f'{one.percent:.1f}' for one in years)} %"
        ),
    )


async def line_of(name: str, seed: int, policy: str, seconds: float) -> Line:
    """Plays the year of a seed under a policy, and bounds it."""
    # In a thread, as it runs a loop of its own.
    played = await asyncio.to_thread(play, story(seed), policy, weekly_seconds=seconds)
    return Line(name, played, tuple(bounded(played, month) for month in months()))


def counts(line: Line) -> tuple[int, int]:
    """Gives how many resource-months were within tolerance and how many could have been."""
    return line.within, line.possible


def table_of_years(lines: list[Line]) -> str:
    """Writes other years as Markdown."""
    body = [
        f"| {SEED + number} | {line.within} / {line.possible} | {line.percent:.1f} % |"
        for number, line in enumerate(lines)
    ]
    head = ["", f"Other years, {V2}", "", "| seed | within / feasible | share |", "|---|---|---|"]
    return "\n".join((*head, *body)) + "\n"


def table(lines: list[Line]) -> str:
    """Writes the months as Markdown: within / feasible / people."""
    head = "| month | " + " | ".join(line.name for line in lines) + " |"
    rule = "|---" * (len(lines) + 1) + "|"
    body = [
        f"| {month} | "
        + " | ".join(
            f"{line.months[place].within} / {line.months[place].most} / {line.months[place].people}"
            for line in lines
        )
        + " |"
        for place, month in enumerate(months())
    ]
    foot = "| **year** | " + " | ".join(f"{line.percent:.1f} %" for line in lines) + " |"
    title = "People within 20 % of their fair share / at most so many could be / who offered days\n"
    return "\n".join((title, head, rule, *body, foot)) + "\n"


def plot(lines: list[Line], path: str) -> None:
    """Draws the share of people within tolerance by month."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4))
    names = [str(month)[5:] for month in months()]
    for line in lines:
        values = [100 * one.within / max(one.most, 1) for one in line.months]
        axes.plot(names, values, marker="o", label=f"{line.name}: {line.percent:.1f} %")
    axes.axhline(GOAL_PERCENT, color="grey", linestyle="--", linewidth=1)
    axes.set_ylim(0, 105)
    axes.set_xlabel("month")
    axes.set_ylabel("within tolerance, % of feasible")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
