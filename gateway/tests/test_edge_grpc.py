"""gRPC and gRPC-Web through Envoy: who may call, deadlines, limits, replicas that die."""

import asyncio
import os
import struct
import sys
from collections import Counter

import grpc
import pytest
import pytest_asyncio
from fairslot.assignment.v1 import assignment_pb2, assignment_pb2_grpc
from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
)
from fairslot.gateway.v1 import planner_pb2, planner_pb2_grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from gateway.envoy import Limits
from gateway.tests import edge
from kit.testing import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOLD = assignment_pb2.PlaceHoldRequest(service_type_id="visit")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tokens, tmp_path_factory):
    async with edge.running(tmp_path_factory.mktemp("edge"), tokens) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(gate):
    async with gate.channel() as opened:
        yield opened


@pytest.fixture(autouse=True)
def fresh(gate):
    backend = gate.backends[0]
    backend.calls.clear()
    backend.answers.clear()
    backend.streams.clear()
    return backend


def bearer(gate, **changes):
    return tuple(gate.bearer(**changes).items())


def reason_of(error):
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "fairslot"
    return info.reason


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), reason_of(caught.value)


async def test_a_call_and_its_answer_pass_unchanged(gate, channel, fresh):
    async def answer(request, _context):
        hold = assignment_pb2.Hold(service_type_id=request.service_type_id)
        return assignment_pb2.PlaceHoldResponse(hold=hold)

    fresh.answers["PlaceHold"] = answer
    stub = assignment_pb2_grpc.AssignmentServiceStub(channel)
    metadata = (*bearer(gate), ("x-tenant-id", "other"), ("idempotency-key", "k"))
    got = await stub.PlaceHold(HOLD, timeout=5, metadata=metadata)
    assert got.hold.service_type_id == "visit"
    assert gate.last.seconds_left < 5
    assert gate.last.metadata["idempotency-key"] == "k"
    assert "x-tenant-id" not in gate.last.metadata


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        (None, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ({"lifetime_seconds": -30}, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ({"aud": "else"}, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ({"tenant": None}, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
        ({"roles": []}, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ],
)
async def test_a_bad_token_is_refused(gate, channel, changes, code, reason):
    metadata = () if changes is None else bearer(gate, **changes)
    stub = assignment_pb2_grpc.AssignmentServiceStub(channel)
    assert await refusal(stub.PlaceHold(HOLD, timeout=5, metadata=metadata)) == (code, reason)
    watch = planner_pb2_grpc.PlannerServiceStub(channel).WatchChanges(
        planner_pb2.WatchChangesRequest(), metadata=metadata
    )
    assert await refusal(watch.read()) == (code, reason)
    assert not gate.backends[0].calls


@pytest.mark.parametrize("role", ["viewer", "planner", "admin", "service"])
async def test_what_has_no_http_form_is_called_over_grpc(gate, channel, role):
    stub = availability_pb2_grpc.AvailabilityServiceStub(channel)
    metadata = bearer(gate, roles=[role])
    await stub.CheckPlan(availability_pb2.CheckPlanRequest(), timeout=5, metadata=metadata)
    assert gate.last.method == "CheckPlan"


async def test_reflection_health_and_strangers_are_denied(gate, channel):
    denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    assert await refusal(health.Check(request, timeout=5, metadata=bearer(gate))) == denied
    for path in (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/fairslot.secret.v1.SecretService/Tell",
        "/fairslot.assignment.v1.AssignmentServiceX/PlaceHold",
    ):
        call = channel.unary_unary(path)
        assert await refusal(call(b"", timeout=5, metadata=bearer(gate))) == denied


async def test_deadlines_are_kept_given_and_brought_forward(gate, channel):
    stub = catalog_pb2_grpc.CatalogServiceStub(channel)
    for asked, low, high in ((3, 1, 3), (None, 13, 15), (90, 28, 30)):
        request = catalog_pb2.GetResourceRequest(id="r")
        await stub.GetResource(request, timeout=asked, metadata=bearer(gate))
        assert low < gate.last.seconds_left <= high + 0.1  # rounded up to what the header can say


async def test_a_slow_service_is_cut_off_at_the_callers_deadline(gate, fresh):
    async def sleep(_request, _context):
        await asyncio.sleep(5)

    fresh.answers["PlaceHold"] = sleep
    headers = gate.bearer() | {"grpc-timeout": "200m"}
    got = await gate.http("POST", "/v1/holds", {"serviceTypeId": "v"}, headers)
    # By Envoy, or by the server a moment before it.
    assert (got.status, got.json["code"]) == (504, grpc.StatusCode.DEADLINE_EXCEEDED.value[0])


@pytest.mark.parametrize("size", [2_000_000, 10_000_000, 20_000_000])
async def test_a_message_that_is_too_large_is_refused(gate, channel, size):
    stub = assignment_pb2_grpc.AssignmentServiceStub(channel)
    request = assignment_pb2.PlaceHoldRequest(service_type_id="x" * size)
    got = await refusal(stub.PlaceHold(request, timeout=10, metadata=bearer(gate)))
    assert got == (grpc.StatusCode.RESOURCE_EXHAUSTED, "PAYLOAD_TOO_LARGE")
    assert not gate.backends[0].calls


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Splits a gRPC-Web body into (flag, payload)."""
    found = []
    while body:
        flag, size = struct.unpack(">BI", body[:5])
        found.append((flag, body[5 : 5 + size]))
        body = body[5 + size :]
    return found


async def test_browsers_speak_grpc_web(gate, fresh):
    async def stream(_request, _context):
        for number in range(3):
            yield planner_pb2.Change(id=str(number))

    fresh.streams["WatchChanges"] = stream
    path = "/fairslot.gateway.v1.PlannerService/WatchChanges"
    web = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    got = await gate.http("POST", path, struct.pack(">BI", 0, 0), gate.bearer() | web)
    *messages, (flag, trailers) = frames(got.body)
    assert [planner_pb2.Change.FromString(one).id for _, one in messages] == ["0", "1", "2"]
    assert flag == 0x80
    assert b"grpc-status:0" in trailers.replace(b" ", b"")
    refused = await gate.http("POST", path, struct.pack(">BI", 0, 0), web)
    assert refused.headers["grpc-status"] == "16"


async def test_one_subject_is_slowed_down_and_others_are_not(tokens, tmp_path):
    limits = Limits(calls_per_second_per_subject=20)
    async with edge.running(tmp_path, tokens, limits=limits) as gate:
        answers = [await gate.http("GET", "/v1/resources") for _ in range(60)]
        refused = [one for one in answers if one.status == 429]
        assert 20 <= len(refused) <= 40
        assert refused[0].reason == "RATE_LIMITED"
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json["details"][1]["retryDelay"] == "1s"
        for changes in ({"sub": "somebody else"}, {"tenant": "other"}):
            other = await gate.http("GET", "/v1/resources", None, gate.bearer(**changes))
            assert other.status == 200
        async with gate.channel() as channel:
            stub = assignment_pb2_grpc.AssignmentServiceStub(channel)
            calls = [stub.PlaceHold(HOLD, timeout=5, metadata=bearer(gate)) for _ in range(40)]
            got = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [one for one in got if isinstance(one, grpc.aio.AioRpcError)]
        assert refusals
        assert {one.code() for one in refusals} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert {reason_of(one) for one in refusals} == {"RATE_LIMITED"}


async def test_calls_take_turns_over_replicas(tokens, tmp_path):
    async with edge.running(tmp_path, tokens, replicas=2) as gate, gate.channel() as channel:
        stub = assignment_pb2_grpc.AssignmentServiceStub(channel)
        for _ in range(20):
            await stub.PlaceHold(HOLD, timeout=5, metadata=bearer(gate))
        assert [len(one.calls) for one in gate.backends] == [10, 10]


async def test_reads_outlive_a_killed_replica_and_lost_writes_say_so(tokens, tmp_path):
    ports = [free_port(), free_port()]
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "gateway.tests.backend"]
    killed, kept = [
        await asyncio.create_subprocess_exec(*command, str(port), env=env) for port in ports
    ]
    try:
        where = [("127.0.0.1", port) for port in ports]
        for port in ports:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as direct:
                await asyncio.wait_for(direct.channel_ready(), 20)
        async with edge.envoy(tmp_path, tokens, where) as (port, admin_port):
            gate = edge.Edge(port, admin_port, [], tokens)
            async with gate.channel() as channel:
                outcomes = await _calls_around_a_kill(gate, channel, killed)
    finally:
        kept.kill()
        await asyncio.gather(killed.wait(), kept.wait())
    assert outcomes["read", "OK"] == 300
    assert outcomes["write", "OK"] >= 290
    assert not {key for key in outcomes if key[1] not in ("OK", "OUTCOME_UNKNOWN")}


async def _calls_around_a_kill(gate, channel, killed):
    outcomes: Counter[tuple[str, str]] = Counter()
    writes = assignment_pb2_grpc.AssignmentServiceStub(channel)
    reads = catalog_pb2_grpc.CatalogServiceStub(channel)
    metadata = bearer(gate)

    async def count(kind, call):
        try:
            await call
        except grpc.aio.AioRpcError as error:
            outcomes[kind, reason_of(error)] += 1
        else:
            outcomes[kind, "OK"] += 1

    for number in range(300):
        if number == 50:
            killed.kill()
        await asyncio.gather(
            count("write", writes.PlaceHold(HOLD, timeout=5, metadata=metadata)),
            count(
                "read",
                reads.GetResource(catalog_pb2.GetResourceRequest(), timeout=5, metadata=metadata),
            ),
        )
        await asyncio.sleep(0.005)
    return outcomes


async def test_nobody_there_is_unavailable(tokens, tmp_path):
    async with edge.envoy(tmp_path, tokens, [("127.0.0.1", free_port())]) as (port, admin_port):
        gate = edge.Edge(port, admin_port, [], tokens)
        got = await gate.http("GET", "/v1/resources")
        assert (got.status, got.reason) == (503, "UNAVAILABLE")
        assert got.json["details"][1]["retryDelay"] == "1s"
        assert (await gate.http("GET", "/healthz", None, {})).status == 503
        async with gate.channel() as channel:
            stub = assignment_pb2_grpc.AssignmentServiceStub(channel)
            got = await refusal(stub.PlaceHold(HOLD, timeout=5, metadata=bearer(gate)))
        assert got == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")


async def test_an_answer_that_is_lost_leaves_the_outcome_unknown(tokens, tmp_path):
    async def take_and_hang_up(reader, writer):
        # Enough for the preface, the settings and the call itself.
        await reader.read(2**16)
        await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(take_and_hang_up, "127.0.0.1", 0)
    where = [("127.0.0.1", server.sockets[0].getsockname()[1])]
    async with server, edge.envoy(tmp_path, tokens, where) as (port, admin_port):
        gate = edge.Edge(port, admin_port, [], tokens)
        got = await gate.http("POST", "/v1/holds", {"serviceTypeId": "v"})
        assert (got.status, got.reason) == (503, "OUTCOME_UNKNOWN")
