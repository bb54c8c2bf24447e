"""Carries who looks at what between gateway processes: over NATS, to whoever listens now."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

from fairslot.gateway.v1 import planner_pb2
from google.protobuf.message import DecodeError

from gateway.domain.presence import TOPIC, Glance
from kit.bus import Bus

SUBJECT = "fairslot.gateway.v1.PresenceTold"


class PresencePeer:
    """The other gateway processes, and this one, as listeners."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(
        self, tenant: str, *, client_id: str, actor: str, booking_request_id: str, at: datetime
    ) -> None:
        """Tells all gateway processes what a page looks at; nobody waits for it."""
        change = planner_pb2.Change(
            topic=TOPIC,
            kind=planner_pb2.Change.LOOKING if booking_request_id else planner_pb2.Change.LEFT,
            id=booking_request_id,
        )
        change.payload.update({"actor": actor, "clientId": client_id})
        change.at.FromDatetime(at)
        await self._bus.tell(f"{SUBJECT}.{tenant}", change.SerializeToString())

    async def glances(self) -> AsyncGenerator[tuple[str, Glance], None]:
        """Yields a tenant and what one of its pages looks at, as it is told."""
        async for subject, body in self._bus.heard(f"{SUBJECT}.*"):
            try:
                change = planner_pb2.Change.FromString(body)
            except DecodeError:
                continue
            yield (
                subject.rpartition(".")[2],
                Glance(
                    client_id=change.payload.fields["clientId"].string_value,
                    body=body,
                    leaves=change.kind == planner_pb2.Change.LEFT,
                ),
            )
