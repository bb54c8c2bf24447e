"""How cost grows with resources, days and busy times: a table, the slopes, and a picture."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.availability.kernel import warm_of
from bench.availability.lanes import NOW, answered, booking, raw_lanes, raw_of, shape_of
from bench.table import Bench, Row
from bench.workload import DURATION_MINUTES, Cell
from services.availability.domain import MINUTES_PER_DAY
from services.availability.engine.looking import first_of_each
from services.availability.rules.expansions import Expansions
from services.availability.rules.zones import Zones

PICTURE = "availability_growth.png"
ROUNDS = 9
PAGE_SLOTS, PAGE_CANDIDATES = 50, 20
# What grows with this power of the size, or less, grows as its answer does, caches and all.
SLOPE_MAX = 1.25
KINDS = {
    "cold": "from raw intervals, all pairs",
    "warm": "from bits, all pairs",
    "capacity": "from bits, capacities alone",
    "page": f"a page of {PAGE_SLOTS} x {PAGE_CANDIDATES}",
    "booking": "one booking into the bits",
}


@dataclass(frozen=True, slots=True)
class Axis:
    """What grows, and the cells it grows through."""

    name: str
    # What the others are meanwhile.
    others: str
    sizes: tuple[int, ...]
    cells: tuple[Cell, ...]


def _cell(resources: int, busy_each: int, days: int) -> Cell:
    return Cell(resources, busy_each, days, 15, answer_hash="")


def axes() -> tuple[Axis, ...]:
    """Gives the three axes; with days the busy times grow, three a day, as calendars fill."""
    resources, days = (10, 100, 1_000, 10_000), (1, 7, 30, 90, 180, 365)
    busy = (3, 10, 30, 100, 300, 600)
    return (
        Axis(
            "resources",
            "30 days, 20 busy times each",
            resources,
            tuple(_cell(one, 20, 30) for one in resources),
        ),
        Axis(
            "days",
            "200 resources, 3 busy times a day each",
            days,
            tuple(_cell(200, 3 * one, one) for one in days),
        ),
        Axis(
            "busy times each",
            "200 resources, 30 days",
            busy,
            tuple(_cell(200, one, 30) for one in busy),
        ),
    )


def costs(cell: Cell) -> dict[str, float]:
    """Gives what each kind of work takes at a size, in milliseconds."""
    team, warm = raw_of(cell), warm_of(cell)
    board = warm.world.board(shape_of(cell), warm.expansions)
    look = warm.look(forget_counts=False)
    table = look.table(1)
    rank, start = int(table.candidates[0]), int(table.starts[0])
    resource_id = warm.world.roster.ranked[rank]
    numbers = iter(range(1_000))

    def book() -> None:
        # Beside each other, so that each books something free.
        number = next(numbers)
        at = start + number * 2 * DURATION_MINUTES
        warm.world.allocate(booking(number, resource_id, at), {})
        board.block(start // MINUTES_PER_DAY, NOW)

    works: dict[str, Callable[[], object]] = {
        "cold": lambda: answered(raw_lanes(team), cell, Expansions(Zones())),
        "warm": lambda: warm.look(forget_counts=True).table(),
        "capacity": lambda: warm.look(forget_counts=True),
        "page": lambda: first_of_each(
            warm.look(forget_counts=False).table(PAGE_SLOTS + 1), PAGE_CANDIDATES
        ),
        "booking": book,
    }
    return {name: _median_ms(work) for name, work in works.items()}


def slope(sizes: Sequence[int], found: Sequence[float]) -> float:
    """Gives the power of the size by which a cost grows between the two largest sizes."""
    return math.log(found[-1] / found[-2]) / math.log(sizes[-1] / sizes[-2])


def rows_of(bench: Bench) -> Iterator[Row]:
    """Measures along each axis, draws the picture, and tells how steep it is in the end."""
    measured = []
    for axis in axes():
        bench.say(f"how cost grows with {axis.name}: {', '.join(map(str, axis.sizes))}")
        found = [costs(cell) for cell in axis.cells]
        measured.append((axis, found))
        for size, cell, cost in zip(axis.sizes, axis.cells, found, strict=True):
            others = ", ".join(f"{kind} {cost[kind]:.3g}" for kind in KINDS if kind != "cold")
            yield Row(
                name=f"{size:,} {axis.name} ({cell.name}), cold",
                value=cost["cold"],
                unit="ms",
                note=f"ms: {others}",
            )
        slopes = {kind: slope(axis.sizes, [one[kind] for one in found]) for kind in KINDS}
        yield Row(
            name=f"cold with {axis.sizes[-1]:,} {axis.name}",
            value=found[-1]["cold"],
            unit="ms",
            against=f"with {axis.sizes[0]:,}",
            against_value=found[0]["cold"],
            ratio=found[-1]["cold"] / found[0]["cold"],
            goal=f"no steeper than size^{SLOPE_MAX} in the end",
            reached=slopes["cold"] <= SLOPE_MAX and slopes["warm"] <= SLOPE_MAX,
            note="in the end like size to the power of "
            + ", ".join(f"{kind} {power:.2f}" for kind, power in slopes.items()),
        )
    path = bench.home / PICTURE
    draw(measured, path)
    bench.say(f"the picture is {path}")


def draw(measured: Sequence[tuple[Axis, Sequence[dict[str, float]]]], path: Path) -> None:
    """Draws a panel per axis, both scales logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(measured), figsize=(15, 5), sharey=True)
    for panel, (axis, found) in zip(panels, measured, strict=True):
        for kind, words in KINDS.items():
            panel.plot(axis.sizes, [one[kind] for one in found], marker="o", label=words)
        first, last = axis.sizes[0], axis.sizes[-1]
        low = found[0]["cold"]
        panel.plot(
            (first, last), (low, low * last / first), color="grey", linestyle=":", label="linear"
        )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks(axis.sizes, labels=[f"{size:,}" for size in axis.sizes])
        panel.minorticks_off()
        panel.set_xlabel(f"{axis.name} ({axis.others})")
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("milliseconds")
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _median_ms(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1e3)
    return statistics.median(spent)
