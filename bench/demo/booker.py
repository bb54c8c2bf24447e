"""A caller who books: asks, looks at the best choice, holds it, confirms it or forgets it."""

import asyncio
from collections.abc import Iterator
from typing import TypeVar

from fairslot.assignment.v1 import assignment_pb2 as ledger
from fairslot.assignment.v1 import request_pb2
from fairslot.matching.v1 import matching_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval

from bench.demo.jobs import Job
from bench.demo.tally import Tally
from bench.demo.turns import Turn
from client import Client, Method, Refusal, methods

# How often one caller tries to hold something before giving up.
TRIES_MAX = 8
# How often one caller looks at the choices anew after losing them all, and how long apart.
LOOKS_MAX = 10
LOOK_PAUSE_SECONDS = 0.5
# Long enough for a queue of 32 on two cores.
TIMEOUT_SECONDS = 15.0
FORGOTTEN_TTL_SECONDS = 2
# What is stored as the reason where the caller left the choice to the service.
PICKED = "the first table that was free, the smallest that seats the party"

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class Booker:
    """One client at work; takes jobs one after the other."""

    def __init__(self, client: Client, tally: Tally, seed: int) -> None:
        self._client = client
        self._tally = tally
        self._seed = seed

    async def work(self, turns: Iterator[Turn]) -> None:
        """Plays jobs until there are no more; several bookers share one iterator."""
        for turn in turns:
            await turn.begin()
            try:
                await self._play(turn.job)
            except Refusal as refusal:
                self._tally.refused[refusal.reason] += 1
            finally:
                turn.end()

    def _key(self, job: Job, what: str) -> str:
        return f"{self._seed}/{job.id}/{what}"

    async def _call(self, method: Method[Q, R], request: Q) -> R:
        return await self._client.call(method, request, timeout_seconds=TIMEOUT_SECONDS)

    async def _play(self, job: Job) -> None:
        self._tally.requests += 1
        if job.asks_first:
            await self._call(methods.CREATE_REQUEST, request_of(job, self._key(job, "request")))
        if job.begins_at is None:
            found = await self._look_again(job, 0)
        else:
            found = await self._hold_any_or_look(job, job.begins_at)
        if found is None:
            self._tally.refused[job.hopeless_as] += 1
            return
        hold, why = found
        self._tally.held += 1
        if job.forgets:
            self._tally.forgotten += 1
            return
        assignment = await self._confirm(job, hold, why)
        self._tally.confirmed += 1
        if job.cancels:
            await self._cancel(job, assignment)

    async def _look_and_hold(self, job: Job, look: int = 0) -> tuple[ledger.Hold, str] | None:
        """Holds the best choice; returns the hold and why it is the best, if there was any.

        `look` counts from 0 how often this job has looked before.
        """
        ranked = await self._call(
            methods.RANK_CANDIDATES,
            matching_pb2.RankCandidatesRequest(
                booking_request_id=job.id, limit=1, max_rejections=0
            ),
        )
        if not ranked.candidates:
            return None
        return await self._hold(job, ranked.candidates[0], ranked.freshness, look)

    async def _hold_any_or_look(self, job: Job, begins_at: int) -> tuple[ledger.Hold, str] | None:
        """Lets the service pick; who then loses a race over several tables looks for others."""
        try:
            return await self._hold_any(job, begins_at)
        except Refusal as refusal:
            if refusal.reason != "SLOT_TAKEN" or not job.looks_again:
                raise
        self._tally.conflicts += 1
        return await self._look_again(job, 1)

    async def _look_again(self, job: Job, first: int) -> tuple[ledger.Hold, str] | None:
        """Looks at the choices, and again as long as others are faster, if the job is of that kind.

        `first` counts from 0 how often it has looked before.
        """
        last = LOOKS_MAX if job.looks_again else first
        for look in range(first, last + 1):
            try:
                return await self._look_and_hold(job, look)
            except Refusal as refusal:
                if refusal.reason != "SLOT_TAKEN" or look == last:
                    raise
            self._tally.conflicts += 1
            # Until those who were faster are known everywhere.
            await asyncio.sleep(LOOK_PAUSE_SECONDS)
        raise AssertionError("the last look returns or raises")

    async def _hold_any(self, job: Job, begins_at: int) -> tuple[ledger.Hold, str]:
        """Holds whatever the service picks at one time."""
        # Another time would not do, so there is nothing to offer instead.
        request = ledger.PlaceHoldRequest(
            start=Timestamp(seconds=60 * begins_at),
            alternatives=0,
            request_id=self._key(job, "hold"),
        )
        if job.asks_first:
            request.booking_request_id = job.id
        else:
            request.service_type_id = job.service_type_id
            request.party_size = job.party_size
        if job.forgets:
            request.ttl.CopyFrom(Duration(seconds=FORGOTTEN_TTL_SECONDS))
        placed = await self._call(methods.PLACE_HOLD, request)
        return placed.hold, PICKED

    async def _hold(
        self, job: Job, choice: matching_pb2.Candidate, freshness: str, look: int
    ) -> tuple[ledger.Hold, str]:
        """Holds the best choice, or one of the alternatives when somebody was faster.

        Returns the hold and the explanation of the choice.
        """
        for attempt in range(1, TRIES_MAX + 1):
            request = ledger.PlaceHoldRequest(
                booking_request_id=job.id,
                resource_ids=choice.resource_ids,
                start=choice.start,
                at_least_as_fresh=freshness,
                request_id=self._key(job, f"hold/{look * TRIES_MAX + attempt}"),
            )
            if job.forgets:
                request.ttl.CopyFrom(Duration(seconds=FORGOTTEN_TTL_SECONDS))
            try:
                placed = await self._call(methods.PLACE_HOLD, request)
                return placed.hold, choice.explanation
            except Refusal as refusal:
                others = refusal.alternatives
                if refusal.reason != "SLOT_TAKEN" or not others or attempt == TRIES_MAX:
                    raise
            self._tally.conflicts += 1
            # Not always the first, or all losers of a race would meet again.
            choice, freshness = others[(job.luck + attempt) % len(others)], ""
        raise AssertionError("the last attempt returns or raises")

    async def _confirm(self, job: Job, hold: ledger.Hold, why: str) -> ledger.Assignment:
        def confirm() -> ledger.ConfirmHoldRequest:
            return ledger.ConfirmHoldRequest(
                hold_token=hold.token, reason=why, request_id=self._key(job, "confirm")
            )

        if job.repeats and job.repeats_at_once:
            both = [self._call(methods.CONFIRM_HOLD, confirm()) for _ in range(2)]
            reply, _ = await asyncio.gather(*both)
        else:
            reply = await self._call(methods.CONFIRM_HOLD, confirm())
            if job.repeats:
                await self._call(methods.CONFIRM_HOLD, confirm())
        self._tally.repeated += job.repeats
        return reply.assignment

    async def _cancel(self, job: Job, assignment: ledger.Assignment) -> None:
        request = ledger.CancelAssignmentRequest(
            assignment_id=assignment.id,
            etag=assignment.etag,
            reason="no longer needed",
            close_request=True,
            request_id=self._key(job, "cancel"),
        )
        await self._call(methods.CANCEL_ASSIGNMENT, request)
        self._tally.cancelled += 1


def request_of(job: Job, key: str) -> request_pb2.CreateRequestRequest:
    """Makes the booking request of a job."""
    wanted = request_pb2.BookingRequest(
        id=job.id, service_type_id=job.service_type_id, party_size=job.party_size
    )
    if job.window:
        start, end = (Timestamp(seconds=60 * minute) for minute in job.window)
        wanted.window.CopyFrom(Interval(start_time=start, end_time=end))
    return request_pb2.CreateRequestRequest(request=wanted, request_id=key)
