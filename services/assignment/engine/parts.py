"""What the engine is made of: its store, its peers, its clock, its ids and the tenants' limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from kit.clock import Clock
from kit.idempotency import mark_replayed
from services.assignment.domain import (
    Candidate,
    CheckedPlan,
    Choice,
    LedgerRefused,
    Outcome,
    Question,
    Ranking,
    Span,
)
from services.assignment.engine.created import Created
from services.assignment.rules import HoldLimits
from services.assignment.store import Auto, Ledger, Moves, Reads, Records


class Availability(Protocol):
    """Says who could serve."""

    async def check(
        self,
        question: Question,
        *,
        resource_ids: tuple[str, ...],
        start: datetime,
        end: datetime | None = None,
        at_least_as_fresh: str,
        ignored: str = "",
        together: bool = False,
    ) -> CheckedPlan:
        """Returns what keeps each resource of a plan from the slot, and what it would occupy; the
        time of the allocation `ignored` counts as free. `together` says that they would serve as
        one, so that the party is not compared with each of them.
        """
        ...

    async def choice(
        self, question: Question, *, start: datetime, at_least_as_fresh: str
    ) -> Choice:
        """Returns who could serve the slot that starts then, best static priority first."""
        ...

    async def duration(self, service_type_id: str) -> timedelta:
        """Returns how long a slot of the service type is; refuses a type that does not exist."""
        ...

    async def unknown_resources(self, resource_ids: Sequence[str]) -> set[str]:
        """Returns which of these resources do not exist."""
        ...


class Matching(Protocol):
    """Says what suits, and why."""

    async def rank(self, question: Question, *, window: Span, limit: int) -> tuple[Candidate, ...]:
        """Returns the best candidates of a window."""
        ...

    async def ranking(self, request_id: str, *, policy: str, limit: int) -> Ranking:
        """Returns the best candidates of a booking request, and why resources were left out."""
        ...

    async def explain(
        self, question: Question, *, resource_ids: tuple[str, ...], slot: Span, ignored: str = ""
    ) -> str | None:
        """Returns why a plan suits a slot, if matching ranks it at all; the time of the allocation
        `ignored` counts as free.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything the engine is given."""

    ledger: Ledger
    moves: Moves
    reads: Reads
    auto: Auto
    records: Records
    availability: Availability
    matching: Matching
    clock: Clock
    # Makes ids that sort by time.
    new_id: Callable[[], str]
    # What hold tokens are made with; the same in every process.
    token_key: bytes
    limits: HoldLimits = field(default_factory=HoldLimits)
    limits_by_tenant: Mapping[str, HoldLimits] = field(default_factory=dict)
    created: Created = field(default_factory=Created)

    def limits_of(self, tenant: str) -> HoldLimits:
        """Returns what the tenant allows of holds."""
        return self.limits_by_tenant.get(tenant, self.limits)


def granted(outcome: Outcome) -> Outcome:
    """Returns an outcome that is no refusal; says in the trailers if it is a stored one."""
    if outcome.replayed:
        mark_replayed()
    if outcome.refusal is not None:
        raise LedgerRefused(outcome.refusal)
    return outcome
