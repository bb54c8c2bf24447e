"""Plans booking requests together and, where asked to, commits the plan through the ledger."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from kit import position
from kit.fault import Conflict, Fault, Refused
from services.matching.domain import Candidate, Question
from services.matching.engine.batch.grouping import together
from services.matching.engine.batch.jobs import BatchAnswer, BatchJob, Item, plan_batch
from services.matching.engine.batch.keeping import Planned, planned
from services.matching.engine.batch.problem import Objective, Progress, Solution
from services.matching.engine.batch.ways import Travel, map_of
from services.matching.engine.batch.wishes import Group, Member
from services.matching.engine.outside import Assignment, Availability, Customers
from services.matching.engine.pool import Done, Pool
from services.matching.engine.ranking import Inputs, known_policy, parts_of, scope_of
from services.matching.engine.work import STRANGERS, work_of
from services.matching.rules.settings import USUAL, Settings

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")
DEFAULT_SECONDS = 5.0
# Questions and commits that are under way at once.
ASKED_AT_ONCE = 16
COMMITTED_AT_ONCE = 8
# A plan is made anew after conflicts so many times at most.
ROUNDS_MAX = 4
# What a request is given up for at once; other refusals mean that its time is gone.
FOR_GOOD = frozenset({"REQUEST_NOT_OPEN", "NOT_FOUND", "PERMISSION_DENIED"})


class Ledger(Protocol):
    """What a batch needs of the ledger."""

    async def assign(
        self, booking_request_id: str, candidate: Candidate, *, reason: str, key: str
    ) -> "Committed":
        """Commits a plan to a booking request; raises the ledger's refusal."""
        ...


@dataclass(frozen=True, slots=True)
class Committed:
    """An assignment that was made, and the freshness that shows it."""

    assignment_id: str
    freshness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCall:
    """Asks for a joint plan."""

    booking_request_ids: tuple[str, ...]
    objective: Objective = Objective.SERVED_QUALITY_FAIRNESS
    seconds: float = DEFAULT_SECONDS
    policy: str = ""
    apply: bool = False
    at_least_as_fresh: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Moving:
    """How far the search of one round has come."""

    progress: Progress
    round: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: its place, its assignment if committed, or why it has none."""

    booking_request_id: str
    candidate: Candidate | None
    reason: str = ""
    assignment_id: str = ""
    refused: bool = False


@dataclass(slots=True)
class Tally:
    """What all rounds came to; the bounds are those of the first, which saw all requests."""

    policy: str
    first: Solution | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    conflicts: int = 0
    rounds: int = 0
    freshness: str = ""
    seconds: float = 0.0


Keep = Callable[[Sequence[Planned]], Awaitable[None]]


async def not_kept(places: Sequence[Planned]) -> None:
    """Keeps nothing."""


class Batches:
    """Makes joint plans in processes of their own."""

    def __init__(
        self,
        *,
        availability: Availability,
        assignment: Assignment,
        pool: Pool,
        workers: int,
        new_key: Callable[[], str],
        ledger: Ledger | None = None,
        customers: Customers = STRANGERS,
        travel: Travel | None = None,
        keep: Keep = not_kept,
    ) -> None:
        """Takes whom to ask, where to solve, and by how many threads; the ledger is for plans that
        are to be applied. Without `travel` nobody needs time to get anywhere; `keep` is told of
        what is about to be committed.
        """
        self._availability = availability
        self._assignment = assignment
        self._customers = customers
        self._ledger = ledger
        self._travel = travel
        self._keep = keep
        self._pool = pool
        self._workers = workers
        self._new_key = new_key

    async def plan(
        self, call: BatchCall, settings: Settings = USUAL
    ) -> AsyncGenerator[Moving | Outcome | Tally, None]:
        """Yields how far it is, one outcome per request in the order asked, and the tally.

        Raises Invalid for an unknown policy; faults of the two other contexts pass through, but
        what the ledger refuses for its time is planned again.
        """
        begun = time.monotonic()
        tally = Tally(policy=known_policy(call.policy).name, freshness=call.at_least_as_fresh)
        key = call.key or self._new_key()
        asked = await _each(
            call.booking_request_ids, self._assignment.question_of, at_once=ASKED_AT_ONCE
        )
        questions = dict(zip(call.booking_request_ids, asked, strict=True))
        places = await map_of(asked, self._travel)
        left = dict(questions)
        while left:
            tally.rounds += 1
            answer: BatchAnswer | None = None
            groups = await self._groups(left, tally, settings)
            job = BatchJob(
                groups, tally.policy, call.objective, call.seconds, self._workers, places
            )
            async with aclosing(self._pool.run(plan_batch, job)) as run:
                async for said in run:
                    if isinstance(said, Done):
                        answer = said.answer
                    else:
                        yield Moving(said, tally.rounds)
            assert answer is not None
            tally.first = tally.first or answer.solution
            for item in answer.items:
                tally.outcomes[item.booking_request_id] = Outcome(
                    item.booking_request_id, item.candidate, item.reason
                )
            lost: list[str] = []
            if call.apply:
                assert self._ledger is not None
                await self._keep(planned(groups, answer.items, tally.policy))
                lost = await self._commit(self._ledger, answer.items, tally, key)
            left = {name: questions[name] for name in lost if tally.rounds < ROUNDS_MAX}
        for name in call.booking_request_ids:
            yield tally.outcomes[name]
        tally.seconds = time.monotonic() - begun
        yield tally

    async def _groups(
        self, questions: dict[str, Question], tally: Tally, settings: Settings
    ) -> tuple[Group, ...]:
        """Asks once for all requests that ask the same in windows near each other."""
        policy = known_policy(tally.policy)
        # Each service type's buffers are asked for once.
        kinds = sorted({question.service_type_id for question in questions.values()})
        found = await _each(kinds, self._availability.buffers, at_once=ASKED_AT_ONCE)
        buffers = dict(zip(kinds, found, strict=True))

        async def group(together: tuple[Question, tuple[Member, ...]]) -> Group:
            question, members = together
            matrix = await self._availability.slots(
                question, max_rejections=0, at_least_as_fresh=tally.freshness, as_if_now=None
            )
            inputs = Inputs(question, matrix, settings=settings)
            scope = scope_of(inputs, policy)
            if not scope.layout.empty:
                work = await work_of(
                    scope,
                    self._availability,
                    self._assignment,
                    self._customers,
                    fresh=tally.freshness,
                )
                inputs = replace(inputs, work=work)
            if matrix.merging is not None and question.party_size > 1:
                parts = await parts_of(
                    scope,
                    self._availability,
                    self._assignment,
                    self._customers,
                    fresh=tally.freshness,
                )
                inputs = replace(inputs, parts=parts)
            before, after = buffers[question.service_type_id]
            return Group(inputs, before, after, members)

        return tuple(await _each(together(questions), group, at_once=ASKED_AT_ONCE))

    async def _commit(
        self, ledger: Ledger, items: Sequence[Item], tally: Tally, key: str
    ) -> list[str]:
        """Commits what has a place; returns the requests whose time was gone."""
        lost: list[str] = []
        seen = [tally.freshness]

        async def commit(item: Item) -> None:
            name, candidate = item.booking_request_id, item.candidate
            if candidate is None:
                return
            try:
                made = await ledger.assign(
                    name,
                    candidate,
                    reason=f"Planned together with others. {candidate.explanation}",
                    key=f"{key}/{tally.rounds}/{name}",
                )
            except (Conflict, Refused) as fault:
                self._refused(tally, item, fault, lost)
            else:
                seen.append(made.freshness)
                tally.outcomes[name] = Outcome(name, candidate, "", made.assignment_id)

        await _each(items, commit, at_once=COMMITTED_AT_ONCE)
        tally.freshness = newest(seen)
        return lost

    def _refused(self, tally: Tally, item: Item, fault: Fault, lost: list[str]) -> None:
        name = item.booking_request_id
        tally.outcomes[name] = Outcome(name, None, fault.message, refused=True)
        if fault.reason not in FOR_GOOD:
            tally.conflicts += 1
            lost.append(name)


def newest(tokens: Sequence[str]) -> str:
    """Joins freshness tokens: what shows all of their writes."""
    positions: dict[str, int] = {}
    for token in tokens:
        for name, value in position.decode(token).items():
            positions[name] = max(value, positions.get(name, 0))
    return position.encode(positions) if positions else ""


async def _each(
    items: Iterable[Asked], work: Callable[[Asked], Awaitable[Answered]], *, at_once: int
) -> list[Answered]:
    """Does the work for each item, so many at once; the first failure ends all."""
    gate = asyncio.Semaphore(at_once)

    async def gated(item: Asked) -> Answered:
        async with gate:
            return await work(item)

    return list(await asyncio.gather(*(gated(item) for item in items)))
