"""Assigns booking requests without a person: the best candidate, else the next, else why not."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from kit.fault import Conflict, Fault, TimedOut, Unavailable
from services.assignment.domain import (
    AutoOutcome,
    AutoResult,
    AutoRun,
    AutoTask,
    BookingRequest,
    Candidate,
    Gap,
    LedgerRefused,
    RequestState,
    Wish,
    WriteKey,
)
from services.assignment.engine.parts import Parts
from services.assignment.engine.placing import Placements
from services.assignment.rules import reasons_sentence
from services.assignment.store import Page

REQUESTS_MAX = 1_000
# Candidates of one ranking that are tried, rankings that are asked for, and plans tried in all.
CANDIDATES_MAX = 8
RANKINGS_MAX = 3
ATTEMPTS_MAX = 12
PAUSE_SECONDS = 0.05
POLL_SECONDS = 0.1
# A task is tried this often where peers do not answer, or while somebody holds the request.
TRIES_MAX = 6
# What may be over the next time it is tried.
PASSING = (Unavailable, TimedOut, Conflict)
SWITCHED_OFF = "It was not assigned: automatic assignment is switched off."
DECIDED = {
    RequestState.ASSIGNED: "ALREADY_ASSIGNED",
    RequestState.COMPLETED: "ALREADY_ASSIGNED",
    RequestState.CANCELLED: "REQUEST_CANCELLED",
}


class Again(Exception):
    """Raised where a task is to be tried again later."""


class AutoAssigning:
    """Begins runs, does their tasks, and tells what became of them."""

    def __init__(
        self,
        parts: Parts,
        placements: Placements,
        rng: random.Random,
        *,
        is_on: Callable[[str], bool],
    ) -> None:
        """Takes what the engine is made of, what places plans, the source of jitter, and what says
        for whom it is switched on.
        """
        self._is_on = is_on
        self._parts = parts
        self._placements = placements
        self._rng = rng

    async def begin(self, key: WriteKey, request_ids: Sequence[str], *, policy: str) -> AutoRun:
        """Queues these requests, or with none named all that are OPEN; a run with the same key is
        the same run.
        """
        return await self._parts.auto.begin(
            key,
            run_id=self._parts.new_id(),
            request_ids=request_ids,
            policy=policy,
            requests_max=REQUESTS_MAX,
        )

    async def results(self, tenant: str, run: AutoRun) -> AsyncIterator[AutoResult]:
        """Yields what became of each request of a run, as it is done, until all are."""
        known: set[str] = set()
        while len(known) < run.total:
            found = await self._parts.auto.results(tenant, run.id, known=known)
            for result in found:
                known.add(result.request_id)
                yield result
            if not found:
                await asyncio.sleep(POLL_SECONDS)

    async def gaps(
        self, tenant: str, *, limit: int, after: tuple[datetime, str] | None
    ) -> Page[Gap]:
        """Lists open requests that could not be served, oldest first."""
        return await self._parts.auto.gaps(tenant, limit=limit, after=after)

    async def find(self, tenant: str, *, run_id: str, request_id: str) -> AutoTask | None:
        """Returns what is to be done for a task; None where it is done, or gone."""
        return await self._parts.auto.find(tenant, run_id=run_id, request_id=request_id)

    async def serve(self, task: AutoTask, *, tries: int) -> None:
        """Does a task for the n-th time and writes down what became of it; raises Again where that
        is not known yet.
        """
        try:
            result = await self._result(task, last=tries >= TRIES_MAX)
        except PASSING as fault:
            if tries < TRIES_MAX:
                raise Again(fault.reason) from fault
            result = skipped(task, Counter({fault.reason: 1}), said=fault.message)
        except Fault as fault:
            result = skipped(task, Counter({fault.reason: 1}), said=fault.message)
        await self._parts.auto.end(task, result)

    async def give_up(self, task: AutoTask) -> None:
        """Writes down that a task failed in a way nobody foresaw."""
        said = "It was not assigned: something broke on our side."
        await self._parts.auto.end(task, skipped(task, Counter({"INTERNAL": 1}), said=said))

    async def _result(self, task: AutoTask, *, last: bool) -> AutoResult:
        refused: Counter[str] = Counter()
        for number in range(RANKINGS_MAX):
            request = await self._parts.reads.request(task.tenant, task.request_id)
            ended = _decided(task, request, attempts=refused.total())
            if ended is not None:
                return ended
            if not self._is_on(task.tenant):
                return skipped(task, Counter({"AUTO_ASSIGN_OFF": 1}), said=SWITCHED_OFF)
            if request is not None and request.state is RequestState.HELD:
                if not last:
                    raise Again("somebody holds it")
                return skipped(task, Counter({"HELD": 1}), attempts=refused.total())
            ranking = await self._parts.matching.ranking(
                task.request_id,
                policy=task.policy,
                limit=CANDIDATES_MAX,
            )
            if not ranking.candidates:
                counted = Counter(ranking.rejections) + refused or Counter({"NO_CANDIDATE": 1})
                return replace(
                    skipped(task, counted, attempts=refused.total(), said=ranking.result),
                    is_gap=True,
                )
            for candidate in ranking.candidates:
                made = await self._tried(task, candidate, refused)
                if made is not None:
                    return made
                if refused["REQUEST_NOT_OPEN"] or refused.total() >= ATTEMPTS_MAX:
                    break
            del refused["REQUEST_NOT_OPEN"]
            if refused.total() >= ATTEMPTS_MAX:
                break
            await asyncio.sleep(pause_seconds(number, self._rng))
        if not refused:
            raise Again("somebody is at it")
        return replace(skipped(task, refused, attempts=refused.total()), is_gap=True)

    async def _tried(
        self, task: AutoTask, candidate: Candidate, refused: Counter[str]
    ) -> AutoResult | None:
        """Tries one candidate; counts why it was refused."""
        wish = Wish(
            start=candidate.slot.start,
            resource_ids=candidate.resource_ids,
            booking_request_id=task.request_id,
            reason=candidate.explanation,
            alternatives=0,
        )
        try:
            outcome = await self._placements.assign(_key(task, candidate), wish)
        except LedgerRefused as error:
            refused[error.refusal.reason] += 1
            return None
        assert outcome.allocation is not None
        return AutoResult(
            request_id=task.request_id,
            outcome=AutoOutcome.ASSIGNED,
            assignment_id=outcome.allocation.id,
            explanation=candidate.explanation,
            attempts=refused.total() + 1,
        )


def pause_seconds(rankings: int, rng: random.Random) -> float:
    """Returns how long to wait after so many further rankings: twice as long each time, spread by
    half, so that those who collided do not meet again.
    """
    return PAUSE_SECONDS * 2.0**rankings * rng.uniform(0.5, 1.5)


def _decided(task: AutoTask, request: BookingRequest | None, *, attempts: int) -> AutoResult | None:
    """Returns the result of a request that needs no assignment any more."""
    if request is None:
        return skipped(task, Counter({"NOT_FOUND": 1}), attempts=attempts)
    reason = DECIDED.get(request.state)
    if reason is None:
        return None
    result = skipped(task, Counter({reason: 1}), attempts=attempts)
    return replace(result, assignment_id=request.assignment_id)


def _key(task: AutoTask, candidate: Candidate) -> WriteKey:
    """Returns the key of one candidate of one task: whoever tries it again gets the same answer."""
    plan = f"{candidate.slot.start.isoformat()} {' '.join(sorted(candidate.resource_ids))}"
    digest = hashlib.sha256(f"{task.run_id} {task.request_id} {plan}".encode())
    return WriteKey(
        tenant=task.tenant,
        actor=task.actor,
        method="AutoAssign",
        key=f"{task.run_id}/{digest.hexdigest()}",
        fingerprint=digest.digest(),
    )


def skipped(
    task: AutoTask, reasons: Counter[str], *, attempts: int = 0, said: str = ""
) -> AutoResult:
    """Returns the result of a request that was not assigned."""
    return AutoResult(
        request_id=task.request_id,
        outcome=AutoOutcome.SKIPPED,
        reasons=reasons,
        explanation=said or reasons_sentence(reasons),
        attempts=attempts,
    )
