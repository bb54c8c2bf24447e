"""Applies what outside calendars tell: written down first, then entered as busy time, in any order
of arrival.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import psycopg

from gateway.domain import Booking, Happening, Known, Outcome, Received, Subject
from gateway.rules import FINAL_REVISION, subject_of
from gateway.store import Inbox, InboxRows
from kit.db import Pool, tenant_transaction
from kit.fault import Fault, NotFound, Unavailable
from kit.logs import logger

log = logger("gateway")

LOOK_SECONDS = 5.0
FORGET_SECONDS = 3600.0
# A tenant's catalog is asked for again after this, and at once when it does not know somebody.
KNOWN_SECONDS = 5.0
TENANTS_KNOWN_MAX = 1_000


class Peer(Protocol):
    """Availability as calendars need it."""

    async def known(self, tenant: str) -> Known:
        """Returns the event types and users that the tenant's catalog names."""
        ...

    async def enter(self, tenant: str, resource_id: str, booking: Booking) -> bool:
        """Makes the resource busy by the booking."""
        ...

    async def remove(self, tenant: str, resource_id: str, uid: str, revision: int) -> bool:
        """Takes a booking's busy time back."""
        ...


class Calendars:
    """What outside calendars told, for as long as the process runs."""

    def __init__(self, pool: Pool, inbox: Inbox, peer: Peer) -> None:
        self._pool = pool
        self._inbox = inbox
        self._peer = peer
        self._known: OrderedDict[str, tuple[float, Known]] = OrderedDict()

    async def take_in(self, tenant: str, booking: Booking, body_hash: bytes) -> Received | None:
        """Writes a message down; gives none where the same one came before."""
        async with tenant_transaction(self._pool, tenant) as connection:
            return await InboxRows(connection, tenant).take_in(booking, body_hash)

    async def apply(self, received: Received) -> Received:
        """Applies a message; once or many times, it ends the same."""
        tenant, booking = received.tenant, received.booking
        if booking.happening is Happening.OTHER:
            return received
        subject = await self._subject(tenant, booking)
        takes = () if booking.happening is Happening.CANCELLED else subject.resource_ids
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = InboxRows(connection, tenant)
            ever = await rows.advance(booking.uid, booking.revision, subject.resource_ids)
            replaced = None
            if booking.replaced_uid:
                replaced = await rows.advance(
                    booking.replaced_uid, FINAL_REVISION, subject.resource_ids
                )
        # A booking that was replaced is so even if what replaced it has moved on since.
        for name in replaced or ():
            await self._removed(tenant, name, booking.replaced_uid, FINAL_REVISION)
        if ever is not None:
            for name in takes:
                await self._peer.enter(tenant, name, booking)
            for name in sorted(set(ever) - set(takes)):
                await self._removed(tenant, name, booking.uid, booking.revision)
        async with tenant_transaction(self._pool, tenant) as connection:
            outcome = _outcome(subject, ever)
            return await InboxRows(connection, tenant).settle(received.id, outcome, subject)

    async def again(self, tenant: str, name: str) -> Received:
        """Applies a message once more, after the catalog has learnt of what it did not know."""
        async with tenant_transaction(self._pool, tenant) as connection:
            found = await InboxRows(connection, tenant).one(name)
        if found is None:
            raise NotFound("NOT_FOUND", "there is no such calendar event", id=name)
        self._known.pop(tenant, None)
        return await self.apply(found)

    async def listed(
        self,
        tenant: str,
        outcomes: Collection[str],
        *,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[Received]:
        """Lists messages, newest first."""
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = InboxRows(connection, tenant)
            return await rows.listed(outcomes, limit=limit, after=after)

    async def run(self) -> None:
        """Applies for ever what was written down and could not be applied."""
        while True:
            try:
                for received in await self._inbox.take_on():
                    await self._tried(received)
            except (psycopg.Error, Unavailable, OSError) as error:
                log.warning("the inbox is looked at again", error=repr(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def forget(self) -> None:
        """Deletes old messages, every hour."""
        while True:
            with suppress(psycopg.Error, Unavailable, OSError):
                await self._inbox.forget()
            await asyncio.sleep(FORGET_SECONDS)

    async def _tried(self, received: Received) -> None:
        try:
            await self.apply(received)
        except (Fault, psycopg.Error) as error:
            log.warning("a calendar event is applied later", id=received.id, error=repr(error))

    async def _removed(self, tenant: str, resource_id: str, uid: str, revision: int) -> None:
        # A resource that was deleted has no time to give back.
        with suppress(NotFound):
            await self._peer.remove(tenant, resource_id, uid, revision)

    async def _subject(self, tenant: str, booking: Booking) -> Subject:
        at, known = self._known.get(tenant, (0.0, None))
        if known is not None and time.monotonic() - at < KNOWN_SECONDS:
            found = subject_of(booking, known)
            if found.resource_ids and found.service_type_id:
                return found
        known = await self._peer.known(tenant)
        self._known[tenant] = (time.monotonic(), known)
        self._known.move_to_end(tenant)
        if len(self._known) > TENANTS_KNOWN_MAX:
            self._known.popitem(last=False)
        return subject_of(booking, known)


def _outcome(subject: Subject, ever: Collection[str] | None) -> Outcome:
    if ever is None:
        return Outcome.OLD
    if not subject.resource_ids and not ever:
        return Outcome.UNKNOWN_RESOURCE
    return Outcome.APPLIED if subject.service_type_id else Outcome.UNKNOWN_EVENT_TYPE
