"""Resolves holds: validates, confirms, extends and releases them."""

from datetime import datetime, timedelta

from kit.call import remaining_seconds
from kit.fault import Fault, NotFound
from services.assignment.domain import (
    Allocation,
    AllocationState,
    LedgerRefused,
    Outcome,
    Question,
    Refusal,
    WriteKey,
)
from services.assignment.engine.parts import Parts, granted
from services.assignment.rules import hold_seconds, hold_token, read_token, unexplained

LEAST_SECONDS_TO_EXPLAIN = 0.1
RESOLVED = {
    AllocationState.RELEASED: "HOLD_ALREADY_RELEASED",
    AllocationState.EXPIRED: "HOLD_EXPIRED",
    AllocationState.HELD: "HOLD_EXPIRED",
}


class Holds:
    """What can be done with a hold once it is placed."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts

    def token(self, tenant: str, hold_id: str) -> str:
        """Returns the token of a hold."""
        return hold_token(self._parts.token_key, tenant=tenant, hold_id=hold_id)

    async def validate(self, tenant: str, token: str) -> tuple[Outcome, datetime]:
        """Returns a live hold and the database's time; refuses one that is resolved."""
        hold_id, token_hash = read_token(token)
        found = await self._parts.reads.allocation(tenant, hold_id, token_hash=token_hash)
        if found is None:
            raise NotFound("NOT_FOUND", "there is no hold with this token")
        hold = found.outcome.allocation
        assert hold is not None
        if hold.state is not AllocationState.HELD or found.dead:
            reason = RESOLVED.get(hold.state, "HOLD_ALREADY_CONFIRMED")
            state = AllocationState.EXPIRED if found.dead else hold.state
            raise LedgerRefused(Refusal(reason, {"hold_id": hold.id, "state": state.value}))
        return found.outcome, found.now

    async def confirm(self, key: WriteKey, *, token: str, reason: str) -> Outcome:
        """Turns a live hold into an assignment; the reason is matching's where none is given."""
        hold_id, token_hash = read_token(token)
        if not reason:
            reason = await self._explanation(key, hold_id, token_hash)
        return granted(
            await self._parts.ledger.confirm(
                key, hold_id=hold_id, token_hash=token_hash, reason=reason
            )
        )

    async def extend(self, key: WriteKey, *, token: str, ttl: timedelta | None) -> Outcome:
        """Gives a live hold more time, within the tenant's limits."""
        hold_id, token_hash = read_token(token)
        limits = self._parts.limits_of(key.tenant)
        return granted(
            await self._parts.moves.extend(
                key,
                hold_id=hold_id,
                token_hash=token_hash,
                seconds=hold_seconds(ttl, limits),
                extensions_max=limits.extensions_max,
            )
        )

    async def release(self, key: WriteKey, *, token: str) -> Outcome:
        """Gives a hold back; one that is over already stays so."""
        hold_id, token_hash = read_token(token)
        return granted(
            await self._parts.ledger.release(key, hold_id=hold_id, token_hash=token_hash)
        )

    async def _explanation(self, key: WriteKey, hold_id: str, token_hash: bytes) -> str:
        found = await self._parts.reads.allocation(key.tenant, hold_id, token_hash=token_hash)
        hold = found.outcome.allocation if found else None
        if hold is None or hold.state is not AllocationState.HELD:
            # The ledger will say what is the matter; nothing is to be explained.
            return unexplained(key.actor, "there is no live hold")
        why = "it does not rank this plan"
        try:
            if remaining_seconds(default=LEAST_SECONDS_TO_EXPLAIN) >= LEAST_SECONDS_TO_EXPLAIN:
                said = await self._parts.matching.explain(
                    _question(hold),
                    resource_ids=hold.resource_ids,
                    slot=hold.slot,
                    ignored=hold.id,
                )
                return said or unexplained(key.actor, why)
        except Fault as fault:
            return unexplained(key.actor, f"it did not answer ({fault.reason})")
        return unexplained(key.actor, "there was no time to ask")


def _question(hold: Allocation) -> Question:
    return Question(
        service_type_id=hold.service_type_id,
        booking_request_id=hold.booking_request_id,
        party_size=hold.party_size,
    )
