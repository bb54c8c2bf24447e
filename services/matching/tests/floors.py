"""Floors of tables, and every merge on them found the slow way."""

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from random import Random

from services.matching.rules.merges import Part, Terms

PUB = Path(__file__).parents[4] / "shared" / "data" / "restaurant" / "layout_pub_40.json"


def brute_force(parts: Sequence[Part], party: int, terms: Terms) -> set[frozenset[str]]:
    """Gives every set that seats the party without a part it could do without."""
    enough: list[frozenset[str]] = []
    for size in range(1, len(parts) + 1):
        for chosen in combinations(parts, size):
            names = frozenset(one.id for one in chosen)
            if serves(chosen, party, terms) and not any(one < names for one in enough):
                enough.append(names)
    return {names for names in enough if 1 < len(names) <= (terms.size_max or len(parts))}


def serves(chosen: Sequence[Part], party: int, terms: Terms) -> bool:
    seats = sum(one.seats for one in chosen) - terms.seat_loss_per_joint * (len(chosen) - 1)
    if seats < party or any(one.seats == 0 for one in chosen):
        return False
    if len({one.zone for one in chosen}) > 1 or not all(one.movable for one in chosen):
        return False
    return connected(chosen)


def connected(chosen: Sequence[Part]) -> bool:
    reached, grows = {chosen[0].id}, True
    while grows:
        grows = False
        for one in chosen:
            near = any(
                one.id in other.adjacent or other.id in one.adjacent
                for other in chosen
                if other.id in reached
            )
            if one.id not in reached and near:
                reached.add(one.id)
                grows = True
    return len(reached) == len(chosen)


def floor(random: Random, size: int, *, zones: int = 1) -> list[Part]:
    """Makes a floor; adjacency is often told by one of the two only, and across zones too."""
    names = [f"t{number:02}" for number in range(size)]
    share = random.choice((0.1, 0.25, 0.5, 0.9))
    return [
        Part(
            id=name,
            zone=f"zone {random.randrange(zones)}",
            seats=random.choice((0, 1, 2, 2, 2, 4, 4, 6)),
            adjacent=frozenset(other for other in names if random.random() < share),
            movable=random.random() < 0.9,
        )
        for name in names
    ]


def pub() -> Iterator[list[Part]]:
    """Gives the tables of each zone of a real pub's floor."""
    layout = json.loads(PUB.read_text())
    adjacent: dict[str, set[str]] = {}
    for one, other in layout["adjacent"]:
        adjacent.setdefault(one, set()).add(other)
    for zone in sorted({table["zone"] for table in layout["tables"]}):
        yield [
            Part(
                id=table["table"],
                zone=zone,
                seats=table["seats"],
                adjacent=frozenset(adjacent.get(table["table"], ())),
                movable=table["movable"],
            )
            for table in layout["tables"]
            if table["zone"] == zone
        ]
