"""Places holds and assignments: asks availability, commits, and on a refusal asks for what else is
there.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from kit.fault import Fault, Invalid, NotFound
from services.assignment.domain import (
    AllocationState,
    BookingRequest,
    Candidate,
    HoldTerms,
    Outcome,
    Placing,
    Question,
    Refusal,
    RequestState,
    Wish,
    WriteKey,
)
from services.assignment.engine.alternatives import Alternatives, share_of_time
from services.assignment.engine.parts import Parts, granted
from services.assignment.engine.sharing import Shared
from services.assignment.rules import (
    hold_seconds,
    hold_secret,
    refusal_of_choice,
    refusal_of_plan,
    secret_hash,
    unexplained,
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """How far a wish got before the ledger: a plan to commit, or an outcome that ends it."""

    question: Question | None
    placing: Placing | None = None
    outcome: Outcome | None = None


class Placements:
    """Turns wishes into holds and assignments."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts
        self._alternatives = Alternatives(parts.matching)
        self._checks = Shared()

    async def hold(self, key: WriteKey, wish: Wish) -> Outcome:
        """Holds a plan, or any free resource, for a short time."""
        prepared = await self._prepare(key, wish)
        outcome = prepared.outcome
        if prepared.placing is not None:
            outcome = await self._parts.ledger.place(
                key, prepared.placing, hold=self._terms(key, prepared.placing, wish)
            )
        return await self._answer(key, wish, prepared, outcome)

    async def assign(self, key: WriteKey, wish: Wish) -> Outcome:
        """Commits a plan, or any free resource, to a booking request without a hold."""
        prepared = await self._prepare(key, wish)
        outcome = prepared.outcome
        if prepared.placing is not None:
            placing = await self._with_reasons(key, wish, prepared.placing)
            outcome = await self._parts.ledger.place(key, placing, hold=None)
        return await self._answer(key, wish, prepared, outcome)

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

    async def _prepare(self, key: WriteKey, wish: Wish) -> Prepared:
        """Finds out what is asked and whether it could be served.

        Whatever ends a wish here is stored as its outcome; but if its key has an outcome already,
        that one counts, even if the world has changed since.
        """
        question: Question | None = None
        try:
            request = await self._request(key, wish)
            question = _question(wish, request)
            if question is None:
                missing = Refusal("NOT_FOUND", {"booking_request_id": wish.booking_request_id})
                return Prepared(None, outcome=await self._parts.ledger.settle(key, missing))
            wish = await self._with_own_hold(key, wish, request)
            found = await self._plan(key.tenant, wish, question)
        except NotFound as fault:
            found = Refusal("NOT_FOUND", {**fault.metadata, "detail": fault.message})
        except Fault:
            stored = await self._parts.ledger.stored(key)
            if stored is None:
                raise
            return Prepared(question, outcome=stored)
        if isinstance(found, Refusal):
            return Prepared(question, outcome=await self._parts.ledger.settle(key, found))
        return Prepared(question, placing=found)

    async def _request(self, key: WriteKey, wish: Wish) -> BookingRequest | None:
        if not wish.booking_request_id:
            return None
        return await self._parts.reads.request(key.tenant, wish.booking_request_id)

    async def _with_own_hold(
        self, key: WriteKey, wish: Wish, request: BookingRequest | None
    ) -> Wish:
        """Where any resource will do, the one the request holds at that time already does."""
        if wish.resource_ids or request is None or request.state is not RequestState.HELD:
            return wish
        own = await self._parts.reads.allocation(key.tenant, request.assignment_id)
        held = own.outcome.allocation if own and not own.dead else None
        if held and held.state is AllocationState.HELD and held.slot.start == wish.start:
            return replace(wish, resource_ids=held.resource_ids)
        return wish

    async def _plan(self, tenant: str, wish: Wish, question: Question) -> Placing | Refusal:
        """Returns what is to be committed, or why nothing can be."""
        ask = self._parts.availability
        if not wish.resource_ids:
            choice = await ask.choice(
                question, start=wish.start, at_least_as_fresh=wish.at_least_as_fresh
            )
            if not choice.resource_ids:
                return refusal_of_choice(choice.rejections)
            return Placing(
                allocation_id=self._parts.new_id(),
                question=question,
                resource_ids=choice.resource_ids,
                any_of=True,
                slot=choice.slot,
                occupied=choice.occupied,
                reasons=(wish.reason,),
            )
        plain = replace(question, booking_request_id="", customer_hash="", window=None, place=None)
        # Those who race for one slot ask the same at the same time.
        checked = await self._checks.ask(
            (tenant, plain, wish.resource_ids, wish.start, wish.at_least_as_fresh),
            partial(
                ask.check,
                plain,
                resource_ids=wish.resource_ids,
                start=wish.start,
                at_least_as_fresh=wish.at_least_as_fresh,
            ),
        )
        refusal = refusal_of_plan(checked.verdicts)
        if refusal is not None:
            return refusal
        return Placing(
            allocation_id=self._parts.new_id(),
            question=question,
            resource_ids=wish.resource_ids,
            any_of=False,
            slot=checked.slot,
            occupied=checked.occupied,
            reasons=(wish.reason,),
        )

    async def _with_reasons(self, key: WriteKey, wish: Wish, placing: Placing) -> Placing:
        """Where nobody gave a reason, matching's explanation is it; any resource that will do is
        then taken in matching's order.
        """
        if wish.reason:
            return placing
        found: str | None = None
        why = "it does not rank this plan"
        try:
            async with asyncio.timeout(share_of_time()):
                if placing.any_of:
                    ranked = await self._ranked(placing)
                    if ranked:
                        return replace(
                            placing,
                            resource_ids=tuple(c.resource_ids[0] for c in ranked),
                            reasons=tuple(c.explanation for c in ranked),
                        )
                else:
                    found = await self._parts.matching.explain(
                        placing.question, resource_ids=placing.resource_ids, slot=placing.slot
                    )
        except (Fault, TimeoutError) as error:
            why = f"it did not answer ({error.reason if isinstance(error, Fault) else 'time'})"
        return replace(placing, reasons=(found or unexplained(key.actor, why),))

    async def _ranked(self, placing: Placing) -> list[Candidate]:
        """Returns matching's order of the resources that could serve the slot alone."""
        ranked = await self._parts.matching.rank(
            placing.question, window=placing.slot, limit=len(placing.resource_ids)
        )
        known = set(placing.resource_ids)
        return [
            candidate
            for candidate in ranked
            if len(candidate.resource_ids) == 1
            and candidate.resource_ids[0] in known
            and candidate.slot.start == placing.slot.start
            and candidate.explanation
        ]

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


def _question(wish: Wish, request: BookingRequest | None) -> Question | None:
    """Returns what is asked of the peers; None where the booking request does not exist."""
    if not wish.booking_request_id:
        return Question(
            service_type_id=wish.service_type_id,
            party_size=wish.party_size,
            customer_hash=wish.customer_hash,
        )
    if request is None:
        return None
    if wish.service_type_id and wish.service_type_id != request.service_type_id:
        raise Invalid.field("service_type_id", "is not that of the booking request")
    return Question(
        service_type_id=request.service_type_id,
        booking_request_id=request.id,
        party_size=request.party_size,
        required_skills=request.required_skills,
        resource_ids=request.resource_ids,
        zone=request.zone,
        customer_hash=wish.customer_hash or request.customer_hash,
        place=request.place,
        window=request.window,
    )
