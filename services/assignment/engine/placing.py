"""Places and moves: asks availability, commits, and on a refusal asks for what else is there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from kit.db import concurrent_update
from kit.fault import Fault, NotFound
from services.assignment.domain import (
    Allocation,
    AllocationState,
    CheckAgain,
    HoldTerms,
    Outcome,
    Placing,
    Refusal,
    Wish,
    WriteKey,
)
from services.assignment.engine.alternatives import Alternatives
from services.assignment.engine.explaining import Explaining
from services.assignment.engine.parts import Parts, granted
from services.assignment.engine.planning import Planning, Prepared, fresher, question_of
from services.assignment.rules import hold_seconds, hold_secret, secret_hash

# A plan is checked again this often where what it was checked against moved before the commit.
CHECKS_MAX = 5

Commit = Callable[[Placing], Awaitable[Outcome]]
Prepare = Callable[[WriteKey, Wish], Awaitable[Prepared]]


class Placements:
    """Turns wishes into holds and assignments, and moves assignments."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts
        self._alternatives = Alternatives(parts.matching)
        self._planning = Planning(parts)
        self._explaining = Explaining(parts)

    async def hold(self, key: WriteKey, wish: Wish) -> Outcome:
        """Holds a plan, or any free resource, for a short time."""

        async def commit(placing: Placing) -> Outcome:
            terms = self._terms(key, placing, wish)
            return await self._parts.ledger.place(key, placing, hold=terms)

        return await self._commit(key, wish, self._planning.prepare, commit, explained=False)

    async def assign(self, key: WriteKey, wish: Wish) -> Outcome:
        """Commits a plan, or any free resource, to a booking request without a hold."""

        async def commit(placing: Placing) -> Outcome:
            return await self._parts.ledger.place(key, placing, hold=None)

        return await self._commit(key, wish, self._planning.prepare, commit, explained=True)

    async def reassign(
        self,
        key: WriteKey,
        *,
        assignment_id: str,
        version: int,
        resource_ids: tuple[str, ...],
        start: datetime | None,
        reason: str,
        alternatives: int,
        at_least_as_fresh: str,
    ) -> Outcome:
        """Gives an assignment another plan, another start, or both; version 0 accepts any."""
        found = await self._parts.reads.allocation(key.tenant, assignment_id)
        known = found.outcome.allocation if found else None
        if known is None:
            missing = Refusal("NOT_FOUND", {"assignment_id": assignment_id})
            return granted(await self._parts.ledger.settle(key, missing))
        wish = Wish(
            start=start or known.slot.start,
            resource_ids=resource_ids or known.resource_ids,
            booking_request_id=known.booking_request_id,
            service_type_id=known.service_type_id,
            party_size=known.party_size,
            reason=reason,
            alternatives=alternatives,
            at_least_as_fresh=at_least_as_fresh,
        )

        async def prepare(key: WriteKey, wish: Wish) -> Prepared:
            return await self._prepare_move(key, wish, known, version)

        async def commit(placing: Placing) -> Outcome:
            return await self._parts.moves.reassign(
                key, placing, assignment_id=assignment_id, version=version
            )

        return await self._commit(key, wish, prepare, commit, explained=True)

    async def _prepare_move(
        self, key: WriteKey, wish: Wish, known: Allocation, version: int
    ) -> Prepared:
        """Finds out whether an assignment could be served so; what cannot be moved is said by the
        ledger itself.
        """
        request = None
        if wish.booking_request_id:
            request = await self._parts.reads.request(key.tenant, wish.booking_request_id)
        asked = wish if request else replace(wish, booking_request_id="")
        question = question_of(asked, request)
        assert question is not None
        movable = known.state is AllocationState.ASSIGNED and version in (0, known.version)
        try:
            if movable:
                placing = await self._planning.plan(key.tenant, wish, question, ignored=known.id)
            else:
                placing = Placing(
                    allocation_id=known.id,
                    question=question,
                    resource_ids=known.resource_ids,
                    any_of=False,
                    slot=known.slot,
                    occupied=known.occupied,
                    reasons=(wish.reason or "not moved",),
                )
        except NotFound as fault:
            placing = Refusal("NOT_FOUND", {**fault.metadata, "detail": fault.message})
        except Fault:
            stored = await self._parts.ledger.stored(key)
            if stored is None:
                raise
            return Prepared(question, outcome=stored)
        if isinstance(placing, Refusal):
            return Prepared(question, outcome=await self._parts.ledger.settle(key, placing))
        return Prepared(question, placing=placing, own=known.id)

    def _terms(self, key: WriteKey, placing: Placing, wish: Wish) -> HoldTerms:
        limits = self._parts.limits_of(key.tenant)
        secret = hold_secret(
            self._parts.token_key, tenant=key.tenant, hold_id=placing.allocation_id
        )
        return HoldTerms(
            seconds=hold_seconds(wish.ttl, limits),
            token_hash=secret_hash(secret),
            max_live_holds=limits.live_holds_per_customer,
        )

    async def _commit(
        self, key: WriteKey, wish: Wish, prepare: Prepare, commit: Commit, *, explained: bool
    ) -> Outcome:
        """Prepares and commits; again, and fresher, where the world moved in between."""
        for _ in range(CHECKS_MAX):
            prepared = await prepare(key, wish)
            if prepared.placing is None:
                return await self._answer(key, wish, prepared, prepared.outcome)
            placing = prepared.placing
            if explained:
                placing = await self._explaining.explained(key, placing, own=prepared.own)
            try:
                outcome = await commit(placing)
            except CheckAgain as again:
                fresh = fresher(wish.at_least_as_fresh, again.positions)
                wish = replace(wish, at_least_as_fresh=fresh)
                continue
            return await self._answer(key, wish, prepared, outcome)
        raise concurrent_update()

    async def _answer(
        self, key: WriteKey, wish: Wish, prepared: Prepared, outcome: Outcome | None
    ) -> Outcome:
        assert outcome is not None
        refusal = outcome.refusal
        if (
            refusal is None
            or refusal.reason != "SLOT_TAKEN"
            or refusal.alternatives is not None
            or wish.alternatives == 0
            or prepared.question is None
        ):
            return granted(outcome)
        found = await self._alternatives.find(key.tenant, wish, prepared.question)
        placing = prepared.placing
        stored = await self._parts.ledger.attach_alternatives(
            key,
            found,
            limit=wish.alternatives,
            before=placing.slot.start - placing.occupied.start if placing else timedelta(),
            after=placing.occupied.end - placing.slot.end if placing else timedelta(),
        )
        return granted(replace(outcome, refusal=replace(refusal, alternatives=stored)))
