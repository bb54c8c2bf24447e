"""Keeps booking requests: creates, cancels, reads and lists them."""

from dataclasses import replace
from datetime import datetime

from kit.fault import Fault, NotFound
from services.assignment.domain import BookingRequest, Outcome, Refusal, RequestState, WriteKey
from services.assignment.engine.parts import Parts, granted
from services.assignment.rules import short
from services.assignment.store import Page


class Requests:
    """What can be done with a booking request by itself."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts

    def now(self) -> datetime:
        """Returns the moment that a window without a start begins at."""
        return self._parts.clock.now()

    async def create(self, key: WriteKey, request: BookingRequest) -> Outcome:
        """Creates a booking request; its service type must exist."""
        try:
            await self._parts.availability.duration(request.service_type_id)
        except NotFound as fault:
            missing = Refusal("NOT_FOUND", {**fault.metadata, "detail": fault.message})
            return granted(await self._parts.ledger.settle(key, missing))
        except Fault:
            stored = await self._parts.ledger.stored(key)
            if stored is None:
                raise
            return granted(stored)
        named = replace(request, id=request.id or self._parts.new_id())
        return granted(await self._parts.ledger.create_request(key, named))

    async def cancel(self, key: WriteKey, *, request_id: str, version: int, reason: str) -> Outcome:
        """Cancels a booking request that is not assigned; version 0 accepts any."""
        return granted(
            await self._parts.ledger.cancel_request(
                key, request_id=request_id, version=version, reason=reason
            )
        )

    async def get(self, tenant: str, request_id: str) -> BookingRequest:
        """Returns a booking request."""
        found = await self._parts.reads.request(tenant, request_id)
        if found is None:
            raise NotFound(
                "NOT_FOUND",
                f"there is no booking request {short(request_id)!r}",
                booking_request_id=short(request_id),
            )
        return found

    async def listed(
        self,
        tenant: str,
        *,
        state: RequestState | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> Page[BookingRequest]:
        """Lists booking requests, oldest first."""
        return await self._parts.reads.requests(tenant, state=state, limit=limit, after=after)
