"""A served service: what happens around every call, and what a refusal looks like on the wire."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import grpc
import pytest
from fairslot.availability.v1 import availability_pb2 as pb
from fairslot.availability.v1 import availability_pb2_grpc as rpc
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kit import position
from kit.call import current_call, current_caller
from kit.channel import call, open_channel
from kit.fault import Conflict, Fault, Invalid, NotFound, from_rpc_error
from kit.localtime import resolve_local
from kit.service import Service, serving
from kit.settings import ServiceSettings


class Echo(rpc.AvailabilityServiceServicer):
    """Answers by what it is asked."""

    async def SearchSlots(self, request, context):
        match request.service_type_id:
            case "taken":
                raise Conflict(
                    "SLOT_TAKEN", "r1 is taken", details=[StringValue(value="r2")], resource_id="r1"
                )
            case "bug":
                raise KeyError("secret")
            case "slow":
                await asyncio.sleep(10)
            case "ask":
                async with open_channel(request.zone) as channel:
                    stub = rpc.AvailabilityServiceStub(channel)
                    await call(stub.SearchSlots, pb.SearchSlotsRequest(service_type_id="taken"))
        caller = current_caller()
        return pb.SearchSlotsResponse(result=f"{caller.tenant}/{caller.subject}")


def service(tokens, **options) -> Service:
    return Service(
        name="echo",
        settings=ServiceSettings(jwks_path=tokens.jwks_path),
        register=(lambda server: rpc.add_AvailabilityServiceServicer_to_server(Echo(), server),),
        **options,
    )


async def refused(address, request, *, token="", timeout=5.0) -> Fault:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rpc.AvailabilityServiceStub(channel)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.SearchSlots(request, timeout=timeout, metadata=metadata)
        return from_rpc_error(caught.value)


def asked(kind: str, **fields) -> pb.SearchSlotsRequest:
    return pb.SearchSlotsRequest(service_type_id=kind, **fields)


async def test_refusals_keep_reason_metadata_and_details(tokens):
    async with serving(service(tokens)) as address:
        token = tokens.mint("acme", ["viewer"])
        fault = await refused(address, asked("taken"), token=token)
        assert (type(fault), fault.reason, fault.metadata) == (
            Conflict,
            "SLOT_TAKEN",
            {"resource_id": "r1"},
        )
        assert len(fault.details) == 1
        through = await refused(address, asked("ask", zone=address), token=token)
        assert (through.reason, through.metadata) == ("SLOT_TAKEN", {"resource_id": "r1"})
        bug = await refused(address, asked("bug"), token=token)
        assert bug.reason == "INTERNAL"
        assert "secret" not in bug.message
        slow = await refused(address, asked("slow"), token=token, timeout=0.2)
        assert slow.reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "UNAUTHENTICATED"),
        ({"aud": "others"}, "UNAUTHENTICATED"),
        ({"iss": "others"}, "UNAUTHENTICATED"),
        ({"exp": None}, "UNAUTHENTICATED"),
        ({"roles": ["stranger"]}, "PERMISSION_DENIED"),
        ({"tenant": None}, "PERMISSION_DENIED"),
        ({"tenant": "a.b"}, "PERMISSION_DENIED"),
    ],
)
async def test_a_token_that_is_not_right_is_refused(tokens, claims, reason):
    async with serving(service(tokens)) as address:
        token = tokens.mint("acme", ["viewer"], claims=claims)
        assert (await refused(address, asked("x"), token=token)).reason == reason


async def test_no_token_no_deadline_and_broken_rules_are_refused(tokens):
    async with serving(service(tokens)) as address:
        assert (await refused(address, asked("x"))).reason == "UNAUTHENTICATED"
        token = tokens.mint("acme", ["viewer"])
        late = await refused(address, asked("x"), token=token, timeout=None)
        assert late.reason == "DEADLINE_REQUIRED"
        bad = await refused(address, pb.SearchSlotsRequest(party_size=-1), token=token)
        assert {field for field, _ in bad.violations} == {"service_type_id", "party_size"}


async def test_a_message_that_cannot_be_read_is_the_callers_fault(tokens):
    async with serving(service(tokens)) as address, grpc.aio.insecure_channel(address) as channel:
        method = channel.unary_unary("/fairslot.availability.v1.AvailabilityService/SearchSlots")
        metadata = [("authorization", f"Bearer {tokens.mint('acme', ['viewer'])}")]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(b"\xff\xff\xff", timeout=5, metadata=metadata)
        assert from_rpc_error(caught.value).reason == "INVALID_ARGUMENT"


async def test_a_failing_check_says_not_serving_and_a_dead_task_ends_the_service(tokens):
    async def broken():
        raise OSError("down")

    async with (
        serving(service(tokens, checks={"database": broken})) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    with pytest.raises(OSError):
        async with serving(service(tokens, tasks=(broken,))):
            await asyncio.sleep(10)


def test_outside_of_a_call_nobody_calls():
    assert current_call().caller is None
    with pytest.raises(Fault):
        current_caller()


@pytest.mark.parametrize("token", ["!", "e30x", "WzFd", "eyJhIjotMX0", "eyJhIjoiYiJ9"])
def test_a_freshness_token_of_nobody_is_refused(token):
    with pytest.raises(Invalid):
        position.decode(token)


def test_freshness_tokens_come_back_whole():
    there = {"catalog": 7, "r/ä": 12}
    assert position.decode(position.encode(there)) == there
    assert position.decode("") == {}


@pytest.mark.parametrize(
    ("wall", "zone", "exists"),
    [
        (datetime(2024, 3, 10, 2, 30), "America/New_York", 0),
        (datetime(2024, 11, 3, 1, 30), "America/New_York", 2),
        (datetime(2011, 12, 30, 12), "Pacific/Apia", 0),
        (datetime(2024, 4, 7, 1, 45), "Australia/Lord_Howe", 2),
        (datetime(2024, 7, 1, 12), "Europe/Berlin", 1),
    ],
)
def test_a_wall_time_is_a_moment_only_where_it_exists_once(wall, zone, exists):
    if exists == 1:
        found = resolve_local(wall, zone, field="start")
        assert found == wall.replace(tzinfo=ZoneInfo(zone))
        return
    with pytest.raises(Invalid) as caught:
        resolve_local(wall, zone, field="start")
    assert caught.value.reason == "AMBIGUOUS_LOCAL_TIME"
    assert ("twice" if exists == 2 else "never") in caught.value.message


def test_an_unknown_zone_is_named():
    for name in ("Mars/Base", "../etc/passwd", ""):
        with pytest.raises(Invalid):
            resolve_local(datetime(2024, 7, 1), name, field="time_zone")


def test_a_missing_thing_keeps_its_words():
    fault = NotFound("NOT_FOUND", "no resource r1", resource_id="r1")
    assert str(fault) == "no resource r1"
