"""What a team's answers may say while bookings come and go: the oracle of the load."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from fairslot.availability.v1 import availability_pb2 as pb

from bench.workload import BUFFER_MINUTES, DURATION_MINUTES

# Two starts of one resource nearer than this are in each other's way: a slot and one buffer.
APART_MINUTES = DURATION_MINUTES + BUFFER_MINUTES
# A resource's id and a start.
Pair = tuple[str, int]


@dataclass(slots=True)
class Booking:
    """One booking; positions are those of the ledger's stream, None until it said so."""

    id: str
    resource_id: str
    start: int
    booked: int | None = None
    cancelling: bool = False
    cancelled: int | None = None


@dataclass(slots=True)
class Taken:
    """Who was free before anything was booked, and every booking since, under way ones too."""

    base: frozenset[Pair]
    random: Random
    of: dict[str, list[Booking]] = field(default_factory=lambda: defaultdict(list))
    # What an answer of this very moment would list, if it knew all that is under way.
    free: set[Pair] = field(default_factory=set)
    order: list[Pair] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begins with what the base says."""
        self.free = set(self.base)
        self.order = sorted(self.base)

    def book(self) -> Booking | None:
        """Chooses something free and takes it; none where the draw finds nothing."""
        for _ in range(100):
            resource_id, start = self.random.choice(self.order)
            if (resource_id, start) in self.free:
                made = Booking(str(uuid4()), resource_id, start)
                self.of[resource_id].append(made)
                self.free.difference_update(self._near(made))
                return made
        return None

    def cancel(self) -> Booking | None:
        """Chooses a booking that the ledger knows, and gives it up."""
        booked = [
            one
            for found in self.of.values()
            for one in found
            if one.booked is not None and not one.cancelling
        ]
        if not booked:
            return None
        chosen = self.random.choice(booked)
        chosen.cancelling = True
        self.free.update(pair for pair in self._near(chosen) if not self._in_the_way(pair))
        return chosen

    def wrong(
        self, reply: pb.SearchSlotMatrixResponse, low: int, high: int, seen: int
    ) -> set[Pair]:
        """Gives what an answer about starts in `[low, high)` should not say.

        Its freshness is `seen`: what the ledger said up to there it must know, what came after or
        is under way it may know.
        """
        shown = set(pairs_of(reply))
        expected = {pair for pair in self.free if low <= pair[1] < high}
        extra = {one for one in shown - expected if not self._may_be_free(one, seen)}
        return extra | {one for one in expected - shown if not self._may_be_taken(one, seen)}

    def _may_be_free(self, pair: Pair, seen: int) -> bool:
        if pair not in self.base:
            return False
        return all(
            one.cancelling or one.booked is None or one.booked > seen for one in self._near_to(pair)
        )

    def _may_be_taken(self, pair: Pair, seen: int) -> bool:
        return any(one.cancelled is None or one.cancelled > seen for one in self._near_to(pair))

    def _in_the_way(self, pair: Pair) -> bool:
        return any(not one.cancelling for one in self._near_to(pair))

    def _near_to(self, pair: Pair) -> Iterator[Booking]:
        resource_id, start = pair
        return (one for one in self.of[resource_id] if abs(one.start - start) < APART_MINUTES)

    def _near(self, booking: Booking) -> list[Pair]:
        starts = range(booking.start - APART_MINUTES + 1, booking.start + APART_MINUTES)
        pairs = ((booking.resource_id, start) for start in starts)
        return [pair for pair in pairs if pair in self.base]


def pairs_of(reply: pb.SearchSlotMatrixResponse) -> Iterator[Pair]:
    """Gives every resource and start that an answer lists."""
    names, listed, position = list(reply.resource_ids), list(reply.candidate_indexes), 0
    for start, capacity in zip(reply.start_minutes, reply.capacities, strict=True):
        for index in listed[position : position + capacity]:
            yield names[index], start
        position += capacity
