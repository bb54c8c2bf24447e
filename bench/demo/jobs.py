"""One thing to book, and how its caller behaves: decided by the seed alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

FORGOTTEN_SHARE = 0.10
REPEATED_SHARE = 0.05
CANCELLED_SHARE = 0.05
LOOKING_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be booked. Times are minutes since the epoch, half-open."""

    id: str
    service_type_id: str
    # None: no window given, the server's default holds.
    window: tuple[int, int] | None
    party_size: int = 0
    # The caller knows when it must begin and takes whatever the service picks; else it looks at
    # ranked choices first.
    begins_at: int | None = None
    # The refusal to report when nobody can serve it; a party no table seats says so.
    hopeless_as: str = "NO_CANDIDATE"
    # After losing what the service picked, looks at the choices itself.
    looks_again: bool = False
    # The hold is left to expire.
    forgets: bool = False
    # The confirmation is sent twice under one key: one after the other, or both at once.
    repeats: bool = False
    repeats_at_once: bool = False
    # The assignment is cancelled again, so that its time can be given to another.
    cancels: bool = False
    # Chooses among the alternatives of a refusal.
    luck: int = 0

    @property
    def asks_first(self) -> bool:
        """Whether a booking request is made: by those who look at choices, now or later. Others
        hold the time they have in mind straight away.
        """
        return self.begins_at is None or self.looks_again


@dataclass(frozen=True, slots=True)
class Habits:
    """How a caller behaves."""

    forgets: bool
    repeats: bool
    repeats_at_once: bool
    cancels: bool
    looks: bool
    luck: int


def habits_of(seed: int, job_id: str) -> Habits:
    """Draws the habits of one caller, the same in every run with the seed."""
    rng = random.Random(f"{seed}/{job_id}")
    return Habits(
        forgets=rng.random() < FORGOTTEN_SHARE,
        repeats=rng.random() < REPEATED_SHARE,
        repeats_at_once=rng.random() < 0.5,
        cancels=rng.random() < CANCELLED_SHARE,
        luck=rng.randrange(1 << 16),
        looks=rng.random() < LOOKING_SHARE,
    )


@dataclass(frozen=True)
class Play:
    """What a demo plays: batches in the order in which they came in, each at one time."""

    title: str
    batches: Sequence[Sequence[Job]]

    @property
    def size(self) -> int:
        """How many jobs there are."""
        return sum(map(len, self.batches))
