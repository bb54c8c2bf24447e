"""Assignment as it is served, and the calls of one caller."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from fairslot.assignment.v1 import (
    assignment_pb2,
    assignment_pb2_grpc,
    request_pb2,
    request_pb2_grpc,
)
from google.type.interval_pb2 import Interval

from kit.channel import open_channel
from kit.fault import Fault, from_rpc_error
from kit.service import serving
from services.assignment.app import open_service

MORNING = datetime(2027, 3, 1, 9, tzinfo=UTC)
LIMITS = {"acme": {"hold_ttl_seconds_min": 0.2, "live_holds_per_customer": 2}}


def at(hours: float = 0.0) -> datetime:
    return MORNING + timedelta(hours=hours)


def window(first: float, last: float) -> Interval:
    found = Interval()
    found.start_time.FromDatetime(at(first))
    found.end_time.FromDatetime(at(last))
    return found


@dataclass
class Caller:
    """One caller's words for the calls."""

    channel: grpc.aio.Channel
    token: str
    seconds: float = 5.0

    def __post_init__(self) -> None:
        self.ledger = assignment_pb2_grpc.AssignmentServiceStub(self.channel)
        self.requests = request_pb2_grpc.RequestServiceStub(self.channel)

    async def __call__(self, name: str, request, *, header: str = ""):
        """Makes the call; a refusal is raised as the fault it says."""
        found = getattr(self.ledger, name, None) or getattr(self.requests, name)
        metadata = [("authorization", f"Bearer {self.token}")]
        if header:
            metadata.append(("idempotency-key", header))
        try:
            return await found(request, timeout=self.seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            fault = from_rpc_error(error)
            fault.raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
            raise fault from error

    async def want(self, name: str = "", **more):
        wanted = request_pb2.BookingRequest(id=name, service_type_id="visit", window=window(0, 480))
        wanted.MergeFrom(request_pb2.BookingRequest(**more))
        request = request_pb2.CreateRequestRequest(request=wanted)
        return (await self("CreateRequest", request)).request

    async def hold(self, *resources: str, start: datetime | None = None, header="", **more):
        request = assignment_pb2.PlaceHoldRequest(
            resource_ids=resources, start=start or at(), **more
        )
        if not request.booking_request_id:
            request.service_type_id = request.service_type_id or "visit"
        return (await self("PlaceHold", request, header=header)).hold

    async def assign(self, request_id: str, *resources: str, start=None, **more):
        request = assignment_pb2.AssignRequest(
            booking_request_id=request_id, resource_ids=resources, start=start or at(), **more
        )
        return (await self("Assign", request)).assignment

    async def confirm(self, token: str, reason: str = "fits", **more):
        request = assignment_pb2.ConfirmHoldRequest(hold_token=token, reason=reason, **more)
        return (await self("ConfirmHold", request)).assignment

    async def release(self, token: str, **more):
        request = assignment_pb2.ReleaseHoldRequest(hold_token=token, **more)
        return (await self("ReleaseHold", request)).hold

    async def cancel(self, assignment_id: str, **more):
        request = assignment_pb2.CancelAssignmentRequest(assignment_id=assignment_id, **more)
        return (await self("CancelAssignment", request)).assignment

    async def extend(self, token: str, **more):
        return (
            await self("ExtendHold", assignment_pb2.ExtendHoldRequest(hold_token=token, **more))
        ).hold

    async def reassign(self, assignment_id: str, *resources: str, **more):
        request = assignment_pb2.ReassignRequest(
            assignment_id=assignment_id, resource_ids=resources, **more
        )
        return (await self("Reassign", request)).assignment

    async def complete(self, assignment_id: str, **more):
        request = assignment_pb2.CompleteAssignmentRequest(assignment_id=assignment_id, **more)
        return (await self("CompleteAssignment", request)).assignment

    async def update(self, paths=(), *, key: str = "", **fields):
        request = request_pb2.UpdateRequestRequest(
            request=request_pb2.BookingRequest(**fields), request_id=key
        )
        request.update_mask.paths.extend(paths)
        return (await self("UpdateRequest", request)).request

    async def auto(self, *request_ids: str, **more) -> dict:
        """Assigns these requests; returns the results by request id."""
        request = assignment_pb2.AutoAssignRequest(booking_request_ids=request_ids, **more)
        metadata = [("authorization", f"Bearer {self.token}")]
        found = {}
        total = 0
        try:
            async for result in self.ledger.AutoAssign(request, timeout=30.0, metadata=metadata):
                assert result.booking_request_id not in found
                found[result.booking_request_id] = result
                total = result.total
                assert result.done == len(found)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        assert len(found) == total
        return found

    async def gaps(self) -> list:
        return list((await self("ListGaps", request_pb2.ListGapsRequest())).gaps)

    async def get(self, assignment_id: str):
        request = assignment_pb2.GetAssignmentRequest(id=assignment_id)
        return (await self("GetAssignment", request)).assignment

    async def state_of(self, request_id: str) -> str:
        found = (await self("GetRequest", request_pb2.GetRequestRequest(id=request_id))).request
        return request_pb2.BookingRequest.State.Name(found.state)


def alternatives(fault: Fault) -> list:
    """Returns the fresh candidates attached to a refusal."""
    found = assignment_pb2.Alternatives()
    for detail in fault.details:
        if detail.Unpack(found):
            return list(found.candidates)
    return []


async def refused(work) -> Fault:
    with pytest.raises(Fault) as raised:
        await work
    return raised.value


def violated(fault: Fault) -> list[str]:
    return [field for field, _ in fault.violations]


@asynccontextmanager
async def served(*, database, servers, tokens, foreign: str, flags_path: str = ""):
    """Serves assignment; yields a function from tenant and roles to a caller."""
    env = {
        "ADDRESS": "127.0.0.1:0",
        "DATABASE_URL": database.url,
        "WORKER_DATABASE_URL": database.worker_url,
        "NATS_URL": servers.nats_url,
        "JWKS_PATH": str(tokens.jwks_path),
        "SIGNING_KEY_PATH": str(tokens.jwks_path.parent / "keys" / "signing.pem"),
        "AVAILABILITY_ADDRESS": foreign,
        "MATCHING_ADDRESS": foreign,
        "TENANT_LIMITS": json.dumps(LIMITS),
        "GRACE_SECONDS": "0.1",
        "FLAGS_PATH": flags_path,
    }
    settings = {f"FAIRSLOT_ASSIGNMENT_{key}": value for key, value in env.items()}
    async with (
        open_service(settings) as service,
        serving(service) as address,
        open_channel(address) as channel,
    ):

        def caller(tenant="acme", roles=("planner",), sub="ann", *, seconds=5.0) -> Caller:
            return Caller(channel, tokens.mint(tenant, roles, sub), seconds)

        yield caller
