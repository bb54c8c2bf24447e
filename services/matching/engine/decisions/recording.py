"""Keeps each ranking beside the calls, and lets a second policy decide on the same: neither is
waited for by who asked.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from kit.call import Call, Caller, current, current_caller
from kit.clock import Clock
from kit.fault import Fault
from kit.logs import logger
from services.matching.engine.batch.keeping import Planned
from services.matching.engine.calls import RankCall
from services.matching.engine.decisions.codec import encode
from services.matching.engine.decisions.comparing import (
    CompareJob,
    Comparison,
    Past,
    Pick,
    compare_all,
    pick_of,
    places_of,
)
from services.matching.engine.outside import Assignment, Availability, Customers
from services.matching.engine.pool import Done, Pool
from services.matching.engine.ranking import Inputs, Ranked, scope_of
from services.matching.engine.work import work_of
from services.matching.rules.policies import POLICIES, policy_named
from services.matching.store import KeptPair, KeptRanking, Records

log = logger("matching")

# Rankings that wait to be kept, and kept ones that wait for the second policy; more are let go.
WAITING_MAX = 512
SHADOWS_MAX = 512
# Stored together, after so long; the listener waits longer before it looks for a ranking.
TOGETHER_MAX = 64
TOGETHER_SECONDS = 0.05
TRIES_MAX = 3
RETRY_SECONDS = 0.1
# Which policy runs beside the deciding one, by tenant; no name: none does.
SHADOW_FLAG = "shadow-policy"

Flag = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Note:
    """A ranking that was answered, and for whom."""

    at: datetime
    caller: Caller
    booking_request_id: str
    ranked: Ranked


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A kept ranking that a second policy is to decide on too."""

    kept: KeptRanking
    policy: str


class Recorder:
    """Takes notes of rankings in no time; its tasks do the rest."""

    def __init__(
        self,
        *,
        records: Records,
        availability: Availability,
        assignment: Assignment,
        customers: Customers,
        pool: Pool,
        clock: Clock,
        flag: Flag,
    ) -> None:
        """Takes where to keep, whom to ask for what a policy did not look at, and where to compare.

        `flag(name, tenant)` gives a tenant's flag as text, empty if it is not set.
        """
        self._records = records
        self._availability = availability
        self._assignment = assignment
        self._customers = customers
        self._pool = pool
        self._clock = clock
        self._flag = flag
        self._notes: asyncio.Queue[Note] = asyncio.Queue(WAITING_MAX)
        self._shadows: asyncio.Queue[Shadowed] = asyncio.Queue(SHADOWS_MAX)
        # Let go because a queue was full.
        self.dropped = 0

    def note(self, call: RankCall, ranked: Ranked) -> None:
        """Notes a ranking that somebody may choose from; asks about chosen ones are no choice."""
        if not ranked.ranking.candidates or call.resource_ids or call.as_if_now is not None:
            return
        note = Note(self._clock.now(), current_caller(), call.booking_request_id, ranked)
        try:
            self._notes.put_nowait(note)
        except asyncio.QueueFull:
            self.dropped += 1

    async def keep(self) -> None:
        """Keeps what was noted, for ever."""
        while True:
            notes = [await self._notes.get()]
            await asyncio.sleep(TOGETHER_SECONDS)
            while len(notes) < TOGETHER_MAX and not self._notes.empty():
                notes.append(self._notes.get_nowait())
            kept = [one for note in notes if (one := await self._kept_if_it_can(note))]
            await self._store(kept)

    async def shadow(self) -> None:
        """Lets second policies decide on what was kept, for ever."""
        while True:
            one = await self._shadows.get()
            try:
                comparison = await self._compared(one)
                await self._records.keep_pair(_pair(one, comparison))
            except (Fault, psycopg.Error, OSError) as error:
                log.warning("a shadow decision is lost", error=repr(error))

    async def keep_planned(self, places: Sequence[Planned]) -> None:
        """Keeps the places of a joint plan that is about to be committed. A second policy is not
        asked: it would choose for each request alone.
        """
        at, kept = self._clock.now(), list[KeptRanking]()
        last: Planned | None = None
        data = b""
        for one in places:
            try:
                # Those who asked the same come one after the other.
                if last is None or one.inputs is not last.inputs:
                    data, last = await self._encoded(one), one
            except (TypeError, ValueError, KeyError) as error:
                self.dropped += 1
                log.error("a place of a plan cannot be kept", error=repr(error))
                continue
            kept.append(_planned(one, at, data))
            if len(kept) == TOGETHER_MAX:
                await self._stored(kept)
                kept = []
        await self._stored(kept)

    async def _encoded(self, one: Planned) -> bytes:
        inputs = await self._whole(one.inputs, one.policy, current_caller())
        return await asyncio.to_thread(encode, inputs)

    async def _kept_if_it_can(self, note: Note) -> KeptRanking | None:
        """Returns what is to be stored. What cannot be written down must not end all keeping."""
        try:
            return await self._kept(note)
        except (TypeError, ValueError, KeyError) as error:
            self.dropped += 1
            log.error("a ranking cannot be kept", error=repr(error))
            return None

    async def _kept(self, note: Note) -> KeptRanking:
        ranked = note.ranked
        pick = pick_of(ranked.ranking)
        assert pick is not None
        policy = ranked.ranking.policy
        inputs = await self._whole(ranked.inputs, policy, note.caller)
        return KeptRanking(
            tenant=note.caller.tenant,
            id=str(uuid.uuid4()),
            at=note.at,
            policy=policy,
            service_type_id=inputs.question.service_type_id,
            booking_request_id=note.booking_request_id,
            pick=pick.as_json(),
            places=places_of(ranked.ranking.candidates),
            # In a thread, as packing lets others run meanwhile.
            inputs=await asyncio.to_thread(encode, inputs),
        )

    async def _whole(self, inputs: Inputs, policy_name: str, caller: Caller) -> Inputs:
        """Returns inputs on which every policy can decide: where people were not compared, what
        comparing takes is asked for now.
        """
        policy = policy_named(policy_name)
        widest = next((one for one in POLICIES if one.weighs_fairness), None)
        if policy is None or policy.weighs_fairness or widest is None:
            return inputs
        scope = scope_of(inputs, widest)
        if not scope.compared and not inputs.question.customer_hash:
            return inputs
        token = current.set(Call("keep", "", caller=caller))
        try:
            work = await work_of(
                scope, self._availability, self._assignment, self._customers, fresh=""
            )
        except Fault as fault:
            log.warning("a ranking is kept without what others weigh", error=fault.message)
            return inputs
        finally:
            current.reset(token)
        return replace(inputs, work=work)

    async def _store(self, rankings: list[KeptRanking]) -> None:
        if not await self._stored(rankings):
            return
        for one in rankings:
            policy = self._flag(SHADOW_FLAG, one.tenant)
            if policy and policy != one.policy and policy_named(policy) is not None:
                try:
                    self._shadows.put_nowait(Shadowed(one, policy))
                except asyncio.QueueFull:
                    self.dropped += 1

    async def _stored(self, rankings: list[KeptRanking]) -> bool:
        """Stores rankings, if that can be done; says whether it was."""
        if not rankings:
            return False
        for attempt in range(1, TRIES_MAX + 1):
            try:
                await self._records.keep(rankings)
                return True
            except (Fault, psycopg.Error, OSError) as error:
                log.warning("rankings were not kept yet", count=len(rankings), error=repr(error))
                await asyncio.sleep(RETRY_SECONDS * attempt)
        self.dropped += len(rankings)
        return False

    async def _compared(self, one: Shadowed) -> Comparison:
        past = Past(one.kept.inputs, one.kept.policy, Pick.of_json(one.kept.pick))
        async with aclosing(self._pool.run(compare_all, CompareJob((past,), one.policy))) as run:
            async for said in run:
                if isinstance(said, Done):
                    return said.answer[0]
        raise AssertionError("a job ends with its answer or raises")


def _pair(one: Shadowed, comparison: Comparison) -> KeptPair:
    kept = one.kept
    return KeptPair(kept.tenant, kept.id, kept.at, kept.policy, one.policy, comparison.as_json())


def _planned(one: Planned, at: datetime, inputs: bytes) -> KeptRanking:
    place = one.candidate
    pick = Pick(place.resource_ids, place.start, place.match_percent, joint=True)
    return KeptRanking(
        tenant=current_caller().tenant,
        id=str(uuid.uuid4()),
        at=at,
        policy=one.policy,
        service_type_id=one.inputs.question.service_type_id,
        booking_request_id=one.booking_request_id,
        pick=pick.as_json(),
        places=places_of((place,)),
        inputs=inputs,
    )
