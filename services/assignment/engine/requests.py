"""Keeps booking requests: creates, edits, cancels, reads and lists them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from kit.fault import Fault, NotFound
from services.assignment.domain import BookingRequest, Outcome, Refusal, RequestState, WriteKey
from services.assignment.engine.parts import Parts, granted
from services.assignment.rules import short
from services.assignment.store import Page

# What the ledger gives a booking request that was never edited.
FIRST_EDITION = 1


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
        ended = await self._without_service_type(key, request.service_type_id)
        if ended is not None:
            return granted(ended)
        named = replace(request, id=request.id or self._parts.new_id())
        outcome = granted(await self._parts.ledger.create_request(key, named))
        if outcome.request is not None and not outcome.replayed:
            self._parts.created.note(key.tenant, replace(outcome.request, edition=FIRST_EDITION))
        return outcome

    async def update(
        self, key: WriteKey, *, request_id: str, version: int, changes: Mapping[str, Any]
    ) -> Outcome:
        """Replaces fields of a booking request, in the words of BookingRequest, the window in two;
        version 0 accepts any.
        """
        if "service_type_id" in changes:
            ended = await self._without_service_type(key, changes["service_type_id"])
            if ended is not None:
                return granted(ended)
        return granted(
            await self._parts.moves.update_request(
                key, request_id=request_id, version=version, changes=changes
            )
        )

    async def _without_service_type(self, key: WriteKey, service_type_id: str) -> Outcome | None:
        """Returns what a service type that cannot be found leads to; None if it is found."""
        try:
            await self._parts.availability.duration(service_type_id)
        except NotFound as fault:
            missing = Refusal("NOT_FOUND", {**fault.metadata, "detail": fault.message})
            return await self._parts.ledger.settle(key, missing)
        except Fault:
            stored = await self._parts.ledger.stored(key)
            if stored is None:
                raise
            return stored
        return None

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
