"""Availability's diary as calendar webhooks fill it, and the calls made of a gateway, for tests."""

import asyncio
import contextlib
import http.client
import json
import socket
from datetime import UTC, datetime, timedelta

import grpc
from fairslot.availability.v1 import catalog_pb2, schedule_pb2
from fairslot.gateway.v1 import calendar_pb2 as pb
from fairslot.gateway.v1 import calendar_pb2_grpc

from gateway.tests import calcom

SECRET = "of acme"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Diary:
    """Availability's outside busy time, by the rule of its contract: the highest sequence wins."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], tuple[int, bool]] = {}
        self.applied = 0
        self.down = False

    def busy(self):
        return {name for name, (_, deleted) in self.entries.items() if not deleted}

    def put(self, resource_id, uid, sequence, *, deleted) -> bool:
        known = self.entries.get((resource_id, uid))
        if known is not None and known[0] >= sequence:
            return False
        self.entries[resource_id, uid] = (sequence, deleted)
        self.applied += 1
        return True

    async def upsert(self, request, context):
        if self.down:
            await context.abort(UNAVAILABLE, "down")
        (one,) = request.events
        applied = self.put(request.resource_id, one.uid, one.sequence, deleted=False)
        return schedule_pb2.UpsertExternalBusyResponse(applied=int(applied))

    async def delete(self, request, context):
        applied = self.put(request.resource_id, request.uid, request.sequence, deleted=True)
        return schedule_pb2.DeleteExternalBusyResponse(applied=applied)


async def service_types(_request, _context):
    visit = catalog_pb2.ServiceType(
        id="visit", external_event_type_keys=["calcom:visit"], required_skills=["boiler"]
    )
    return catalog_pb2.ListServiceTypesResponse(service_types=[visit])


class Gate:
    """A gateway, and the calls that are made of it."""

    def __init__(self, web, channel, tokens, secrets_path):
        self.web, self.channel, self.tokens = web, channel, tokens
        self.secrets_path = secrets_path

    async def post(self, raw, signature=None, path="/webhooks/calcom"):
        headers = {"content-type": "application/json"}
        signed = calcom.signature(raw, SECRET) if signature is None else signature
        if signed:
            headers["X-Cal-Signature-256"] = signed
        return await asyncio.to_thread(self._post, raw, headers, path)

    def _post(self, raw, headers, path):
        host, _, port = self.web.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", path, body=raw, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    async def events(self, tenant="acme", **more):
        stub = calendar_pb2_grpc.CalendarServiceStub(self.channel)
        request = pb.ListCalendarEventsRequest(**more)
        return list((await stub.ListCalendarEvents(request, **self.as_planner(tenant))).events)

    async def again(self, name, tenant="acme"):
        stub = calendar_pb2_grpc.CalendarServiceStub(self.channel)
        request = pb.ApplyCalendarEventRequest(id=name)
        return (await stub.ApplyCalendarEvent(request, **self.as_planner(tenant))).event

    def as_planner(self, tenant):
        token = self.tokens.mint(tenant, ["planner"])
        return {"timeout": 5, "metadata": (("authorization", f"Bearer {token}"),)}


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def now(seconds=0.0):
    return datetime.now(UTC) + timedelta(seconds=seconds)


def told(trigger="BOOKING_CREATED", *, seconds=0.0, **changes):
    return calcom.body(trigger, at=now(seconds), **changes)
