"""Merges: which resources of one zone can serve a party together that none takes alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Sets of this many resources are always searched through.
EXHAUSTIVE_MAX = 12
# Connected sets looked at per zone before a search ends; every zone of EXHAUSTIVE_MAX needs fewer.
SETS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What a service type allows: resources of one merge at most, and seats lost at each joint."""

    # 0: as many as needed.
    size_max: int = 0
    seat_loss_per_joint: int = 0

    def seats(self, total: int, size: int) -> int:
        """Gives the seats left of `total` when `size` resources are put together."""
        return total - self.seat_loss_per_joint * (size - 1)


@dataclass(frozen=True, slots=True)
class Part:
    """A resource that may be part of a merge."""

    id: str
    zone: str
    # 0: takes a party of any size alone, so that it is never part of a merge.
    seats: int
    adjacent: frozenset[str]
    movable: bool = True


@dataclass(frozen=True, slots=True)
class Merge:
    """Resources put together: places in the sorted ids of the parts, and the seats they have."""

    members: tuple[int, ...]
    seats: int


@dataclass(frozen=True, slots=True)
class Found:
    """All merges of a search, fewest resources first; `complete` says that there are no others.

    Where it is not, `missing_size_min` is the least number of resources of one not found.
    """

    merges: tuple[Merge, ...]
    complete: bool = True
    missing_size_min: int = 0


def neighbours(parts: Sequence[Part]) -> list[int]:
    """Gives for each part the bits of those it can be put next to.

    They share its zone, both are movable, and one of the two names the other: adjacency is
    symmetric.
    """
    place: Mapping[str, int] = {part.id: number for number, part in enumerate(parts)}
    found = [0] * len(parts)
    for number, part in enumerate(parts):
        for name in part.adjacent:
            other = place.get(name)
            if other is None or other == number:
                continue
            near = parts[other]
            if near.zone == part.zone and near.movable and part.movable:
                found[number] |= 1 << other
                found[other] |= 1 << number
    return found


def merges(parts: Sequence[Part], party: int, terms: Terms, *, sets_max: int = SETS_MAX) -> Found:
    """Finds every merge that seats the party and has no part it could do without.

    That is: movable resources of one zone, connected by adjacency, no connected few of which (and
    none alone) would seat the party. The work is bounded by `sets_max` connected sets per zone;
    zones of up to EXHAUSTIVE_MAX resources are always searched whole.
    """
    search = _Search(parts, party, terms)
    zones: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        if part.movable and 0 < part.seats < party:
            zones.setdefault(part.zone, []).append(number)
    missing = 0
    for _, members in sorted(zones.items()):
        most = 1 << len(members) if len(members) <= EXHAUSTIVE_MAX else sets_max
        size = search.zone(members, most)
        missing = min(missing, size) if missing and size else missing or size
    made = [Merge(_places(bits), seats) for bits, seats in search.found]
    made.sort(key=lambda one: (len(one.members), one.members))
    return Found(tuple(made), complete=missing == 0, missing_size_min=missing)


class _Search:
    """One search: what is sought, and what was found as bits of the parts with their seats."""

    def __init__(self, parts: Sequence[Part], party: int, terms: Terms) -> None:
        self._parts = parts
        self._near = neighbours(parts)
        self._party = party
        self._terms = terms
        self.found: list[tuple[int, int]] = []

    def zone(self, members: Sequence[int], most: int) -> int:
        """Adds a zone's merges, size after size; gives the size at which it stopped early, or 0."""
        inside = sum(1 << number for number in members)
        first = len(self.found)
        level = {1 << number: self._parts[number].seats for number in members}
        looked, size = len(level), 1
        while level and size != self._terms.size_max:
            size += 1
            grown = self._grown(level, inside)
            looked += len(grown)
            if looked > most:
                return size
            seats = {bits: self._terms.seats(total, size) for bits, total in grown.items()}
            smaller = [bits for bits, _ in self.found[first:]]
            self.found.extend(
                (bits, left)
                for bits, left in seats.items()
                if left >= self._party and not any(bits & one == one for one in smaller)
            )
            # Whatever holds enough already needs nobody else.
            level = {bits: grown[bits] for bits, left in seats.items() if left < self._party}
        return 0

    def _grown(self, level: Mapping[int, int], inside: int) -> dict[int, int]:
        """Gives every set of the level with one neighbour more, and its seats."""
        grown: dict[int, int] = {}
        for bits, total in level.items():
            around = 0
            for number in _places(bits):
                around |= self._near[number]
            for number in _places(around & inside & ~bits):
                grown.setdefault(bits | 1 << number, total + self._parts[number].seats)
        return grown


def _places(bits: int) -> tuple[int, ...]:
    """Gives the places of the bits that are set, ascending."""
    places = []
    while bits:
        low = bits & -bits
        places.append(low.bit_length() - 1)
        bits ^= low
    return tuple(places)
