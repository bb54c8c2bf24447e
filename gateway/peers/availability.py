"""Asks availability what the catalog knows of outside calendars, and enters and removes busy
time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from fairslot.availability.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    schedule_pb2,
    schedule_pb2_grpc,
)
from google.protobuf.message import Message

from gateway.domain import Booking, Known
from gateway.rules import USER_LABELS
from kit.fault import from_rpc_error
from kit.signing import Signer

SUBJECT = "calendar-webhooks"
CALL_SECONDS = 3.0
PAGE_SIZE = 1_000
# A catalog that is longer than this is read no further.
PAGES_MAX = 100


class CalendarPeer:
    """Availability as the calendar's webhooks need it, in the name of one tenant at a time."""

    def __init__(self, channel: grpc.aio.Channel, signer: Signer) -> None:
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._schedules = schedule_pb2_grpc.ScheduleServiceStub(channel)
        self._signer = signer

    async def known(self, tenant: str) -> Known:
        """Returns the event types and users that the tenant's catalog names."""
        types: dict[str, tuple[str, tuple[str, ...]]] = {}
        question = catalog_pb2.ListServiceTypesRequest(page_size=PAGE_SIZE)
        async for page in self._pages(tenant, self._catalog.ListServiceTypes, question):
            for one in page.service_types:
                levels = (skill.name for skill in one.skill_requirements)
                skills = tuple(dict.fromkeys([*one.required_skills, *levels]))
                for key in one.external_event_type_keys:
                    types.setdefault(key.lower(), (one.id, skills))
        users: dict[str, tuple[str, frozenset[str]]] = {}
        asked = catalog_pb2.ListResourcesRequest(page_size=PAGE_SIZE)
        async for page in self._pages(tenant, self._catalog.ListResources, asked):
            for one in page.resources:
                has = frozenset(skill.name for skill in one.skills)
                labels = [one.labels[name] for name in USER_LABELS if name in one.labels]
                for name in (*labels, one.id):
                    users.setdefault(name.lower(), (one.id, has))
        return Known(types=types, users=users)

    async def enter(self, tenant: str, resource_id: str, booking: Booking) -> bool:
        """Makes the resource busy by the booking; tells whether that changed anything."""
        assert booking.start is not None
        assert booking.end is not None
        event = schedule_pb2.ExternalEvent(uid=booking.uid, sequence=booking.revision)
        event.interval.start_time.FromDatetime(booking.start)
        event.interval.end_time.FromDatetime(booking.end)
        question = schedule_pb2.UpsertExternalBusyRequest(resource_id=resource_id, events=[event])
        answer = await self._call(tenant, self._schedules.UpsertExternalBusy, question)
        return bool(answer.applied)

    async def remove(self, tenant: str, resource_id: str, uid: str, revision: int) -> bool:
        """Takes a booking's busy time back; tells whether that changed anything."""
        question = schedule_pb2.DeleteExternalBusyRequest(
            resource_id=resource_id, uid=uid, sequence=revision
        )
        answer = await self._call(tenant, self._schedules.DeleteExternalBusy, question)
        return bool(answer.applied)

    async def _pages(
        self, tenant: str, method: Callable[..., Any], question: Any
    ) -> AsyncIterator[Any]:
        for _ in range(PAGES_MAX):
            page = await self._call(tenant, method, question)
            yield page
            if not page.next_page_token:
                return
            question.page_token = page.next_page_token

    async def _call(self, tenant: str, method: Callable[..., Any], question: Message) -> Any:
        token = self._signer.token(tenant, subject=SUBJECT)
        metadata = (("authorization", f"Bearer {token}"),)
        try:
            return await method(question, timeout=CALL_SECONDS, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
