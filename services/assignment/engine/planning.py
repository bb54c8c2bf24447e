"""Finds out what is asked and whether it could be served, before anything is committed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from kit import position
from kit.fault import Fault, Invalid, NotFound
from services.assignment.domain import (
    Allocation,
    AllocationState,
    BookingRequest,
    CheckedPlan,
    Choice,
    Outcome,
    Placing,
    Question,
    Refusal,
    RequestState,
    Wish,
    WriteKey,
)
from services.assignment.engine.alternatives import share_of_time
from services.assignment.engine.parts import Parts
from services.assignment.engine.sharing import Shared
from services.assignment.rules import (
    checks_of,
    obstacles_counted,
    refusal_of_choice,
    refusal_of_list,
    refusal_of_merge,
    refusal_of_plan,
)

# Of many that would do, this many are checked one by one where they have limits or must travel.
CHECKED_MAX = 32


@dataclass(frozen=True, slots=True)
class Prepared:
    """How far a wish got before the ledger: a plan to commit, or an outcome that ends it."""

    question: Question | None
    placing: Placing | None = None
    outcome: Outcome | None = None
    # The live hold or assignment that this plan takes the place of.
    own: str = ""


@dataclass(frozen=True, slots=True)
class Hasty:
    """What a wish came to for a booking request as it was created, without reading it again."""

    request: BookingRequest
    question: Question
    found: Placing | Refusal

    def holds_of(self, request: BookingRequest | None) -> bool:
        """Whether the request, as it was read meanwhile, leads to the same."""
        return (
            request is not None
            and request.state is RequestState.OPEN
            and request.edition == self.request.edition
        )


class Planning:
    """Asks availability what a wish comes to."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts
        self._checks = Shared()

    async def prepare(self, key: WriteKey, wish: Wish) -> Prepared:
        """Finds out what is asked and whether it could be served.

        Whatever ends a wish here is stored as its outcome; but if its key has an outcome already,
        that one counts, even if the world has changed since.
        """
        hasty = await self._hasty(key, wish)
        if hasty is not None and isinstance(hasty.found, Placing):
            return Prepared(hasty.question, placing=hasty.found)
        question: Question | None = None
        own: Allocation | None = None
        try:
            request = await self._request(key, wish)
            question = question_of(wish, request)
            if question is None:
                missing = Refusal("NOT_FOUND", {"booking_request_id": wish.booking_request_id})
                return Prepared(None, outcome=await self._parts.ledger.settle(key, missing))
            own = await self._own_hold(key, request)
            if own and not wish.resource_ids and own.slot.start == wish.start:
                # Where any resource will do, the one the request holds at that time already does.
                wish = replace(wish, resource_ids=own.resource_ids)
            edition = request.edition if request else 0
            ignored = own.id if own else ""
            if hasty is not None and hasty.holds_of(request):
                found = hasty.found
            else:
                found = await self.plan(
                    key.tenant, wish, question, edition=edition, ignored=ignored
                )
        except NotFound as fault:
            found = Refusal("NOT_FOUND", {**fault.metadata, "detail": fault.message})
        except Fault:
            stored = await self._parts.ledger.stored(key)
            if stored is None:
                raise
            return Prepared(question, outcome=stored)
        if isinstance(found, Refusal):
            return Prepared(question, outcome=await self._parts.ledger.settle(key, found))
        return Prepared(question, placing=found, own=own.id if own else "")

    async def _hasty(self, key: WriteKey, wish: Wish) -> Hasty | None:
        """Finds out what a wish comes to for a request that this process has just created.

        The ledger looks at its edition and state again where it places; a refusal counts only if
        the request is still the same. Nothing where it fails: then it is found out anew.
        """
        request = self._parts.created.take(key.tenant, wish.booking_request_id)
        if request is None:
            return None
        try:
            question = question_of(wish, request)
            assert question is not None
            found = await self.plan(key.tenant, wish, question, edition=request.edition)
        except Fault:
            return None
        return Hasty(request, question, found)

    async def _request(self, key: WriteKey, wish: Wish) -> BookingRequest | None:
        if not wish.booking_request_id:
            return None
        return await self._parts.reads.request(key.tenant, wish.booking_request_id)

    async def _own_hold(self, key: WriteKey, request: BookingRequest | None) -> Allocation | None:
        """Returns the live hold of a request: it is never in the way of what replaces it."""
        if request is None or request.state is not RequestState.HELD:
            return None
        found = await self._parts.reads.allocation(key.tenant, request.assignment_id)
        held = found.outcome.allocation if found and not found.dead else None
        return held if held and held.state is AllocationState.HELD else None

    async def plan(
        self, tenant: str, wish: Wish, question: Question, *, edition: int = 0, ignored: str = ""
    ) -> Placing | Refusal:
        """Returns what is to be committed, or why nothing can be; the time of the allocation
        `ignored` counts as free.
        """
        if not wish.resource_ids:
            return await self._any(tenant, wish, question, edition=edition, ignored=ignored)
        refusal = refusal_of_list(wish.resource_ids, question.resource_ids)
        if refusal is not None:
            return refusal
        checked = await self._check(
            tenant, wish, question, wish.resource_ids, ignored, together=len(wish.resource_ids) > 1
        )
        refusal = refusal_of_plan(checked.verdicts)
        if refusal is None and checked.merge is not None:
            refusal = refusal_of_merge(checked.merge, question.party_size)
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
            checks=checks_of(checked, edition=edition, travels=question.place is not None),
        )

    async def _any(
        self, tenant: str, wish: Wish, question: Question, *, edition: int, ignored: str
    ) -> Placing | Refusal:
        choice = await self._parts.availability.choice(
            question, start=wish.start, at_least_as_fresh=wish.at_least_as_fresh
        )
        if not choice.resource_ids:
            joint = await self._joint(question, choice) if choice.mergeable else ()
            if joint:
                joined = replace(wish, resource_ids=joint)
                return await self.plan(tenant, joined, question, edition=edition, ignored=ignored)
            return refusal_of_choice(choice.left_out)
        resource_ids, checked = choice.resource_ids, _unchecked(choice)
        if choice.limited:
            first = choice.resource_ids[:CHECKED_MAX]
            checked = await self._check(tenant, wish, question, first, ignored)
            resource_ids = tuple(
                one.resource_id for one in checked.verdicts if refusal_of_plan((one,)) is None
            )
            if not resource_ids:
                return refusal_of_choice(obstacles_counted(checked.verdicts))
        return Placing(
            allocation_id=self._parts.new_id(),
            question=question,
            resource_ids=resource_ids,
            any_of=True,
            slot=choice.slot,
            occupied=choice.occupied,
            reasons=(wish.reason,),
            checks=checks_of(checked, edition=edition, travels=question.place is not None),
        )

    async def _joint(self, question: Question, choice: Choice) -> tuple[str, ...]:
        """Returns the best merge in a slot in which nobody serves alone; none if there is none, or
        if matching does not say.
        """
        try:
            async with asyncio.timeout(share_of_time()):
                found = await self._parts.matching.rank(question, window=choice.slot, limit=1)
        except (Fault, TimeoutError):
            return ()
        return found[0].resource_ids if found else ()

    async def _check(
        self,
        tenant: str,
        wish: Wish,
        question: Question,
        resource_ids: tuple[str, ...],
        ignored: str,
        *,
        together: bool = False,
    ) -> CheckedPlan:
        """Those who race for one slot ask the same at the same time, and are answered together."""
        plain = replace(question, booking_request_id="", customer_hash="", window=None)
        return await self._checks.ask(
            (tenant, plain, resource_ids, wish.start, wish.at_least_as_fresh, ignored, together),
            partial(
                self._parts.availability.check,
                plain,
                resource_ids=resource_ids,
                start=wish.start,
                at_least_as_fresh=wish.at_least_as_fresh,
                ignored=ignored,
                together=together,
            ),
        )


def _unchecked(choice: Choice) -> CheckedPlan:
    return CheckedPlan(choice.slot, choice.occupied, (), revision=choice.revision)


def fresher(token: str, positions: Mapping[str, int]) -> str:
    """Returns the freshness token of an answer that has seen both."""
    known = position.decode(token)
    return position.encode(
        {name: max(known.get(name, 0), positions.get(name, 0)) for name in {*known, *positions}}
    )


def question_of(wish: Wish, request: BookingRequest | None) -> Question | None:
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
