"""Whether resources that are free at one moment can serve a party together."""

from collections.abc import Mapping, Sequence

from services.availability.domain import Merging, Resource

# Connected sets looked at per zone before a search gives up; 12 resources need fewer.
SETS_MAX = 20_000


def mergeable(free: Sequence[Resource], party: int, merging: Merging) -> bool:
    """Says whether movable resources of one zone, connected by adjacency, seat the party.

    A zone of more than twelve is searched up to SETS_MAX connected sets, smallest first.
    """
    zones: dict[str, list[Resource]] = {}
    for resource in free:
        if resource.movable and 0 < resource.capacity_max < party:
            zones.setdefault(resource.zone, []).append(resource)
    return any(_zone_serves(parts, party, merging) for parts in zones.values())


def _zone_serves(parts: Sequence[Resource], party: int, merging: Merging) -> bool:
    if sum(part.capacity_max for part in parts) < party:
        return False
    seats = {part.id: part.capacity_max for part in parts}
    near = _neighbours(parts, seats)
    level = {frozenset((name,)): count for name, count in seats.items()}
    looked, size = len(level), 1
    while level and size != merging.size_max:
        size += 1
        lost = merging.seat_loss_per_joint * (size - 1)
        grown: dict[frozenset[str], int] = {}
        for names, count in level.items():
            for other in set().union(*(near[name] for name in names)) - names:
                if count + seats[other] - lost >= party:
                    return True
                grown.setdefault(names | {other}, count + seats[other])
        looked += len(grown)
        if looked > SETS_MAX:
            return False
        level = grown
    return False


def _neighbours(parts: Sequence[Resource], seats: Mapping[str, int]) -> dict[str, set[str]]:
    """Gives whom each can be put next to: one of two names the other, and both are there."""
    near: dict[str, set[str]] = {part.id: set() for part in parts}
    for part in parts:
        for other in part.adjacent_resource_ids:
            if other in seats and other != part.id:
                near[part.id].add(other)
                near[other].add(part.id)
    return near
