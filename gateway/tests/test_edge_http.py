"""JSON through Envoy: forms of the contract, errors as google.rpc.Status, nothing forged."""

import asyncio
import gzip
import json

import grpc
import pytest
import pytest_asyncio
from fairslot.assignment.v1 import assignment_pb2
from fairslot.availability.v1 import availability_pb2, catalog_pb2
from fairslot.gateway.v1 import planner_pb2
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.tests import edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOLD = {"serviceTypeId": "visit", "start": "2027-01-01T10:00:00Z"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tokens, tmp_path_factory):
    async with edge.running(tmp_path_factory.mktemp("edge"), tokens) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(gate):
    backend = gate.backends[0]
    backend.calls.clear()
    backend.answers.clear()
    backend.streams.clear()
    return backend


async def test_an_answer_is_the_thing_itself_in_camel_case(gate, fresh):
    async def answer(_request, _context):
        hold = assignment_pb2.Hold(id="h1", resource_ids=["r1"], state="HELD")
        return assignment_pb2.PlaceHoldResponse(hold=hold)

    fresh.answers["PlaceHold"] = answer
    got = await gate.http("POST", "/v1/holds", HOLD)
    assert got.status == 200
    assert got.headers["content-length"] == str(len(got.body))
    assert got.json["id"] == "h1"
    assert got.json["resourceIds"] == ["r1"]
    assert got.json["state"] == "HELD"
    assert gate.last.request.service_type_id == "visit"


async def test_a_list_stays_a_list(gate, fresh):
    async def answer(_request, _context):
        return catalog_pb2.ListResourcesResponse(resources=[catalog_pb2.Resource(id="r1")])

    fresh.answers["ListResources"] = answer
    got = await gate.http("GET", "/v1/resources?pageSize=7")
    assert [one["id"] for one in got.json["resources"]] == ["r1"]
    assert gate.last.request.page_size == 7


async def test_zeros_and_empty_lists_are_printed(gate, fresh):
    async def answer(_request, _context):
        slot = availability_pb2.Slot(capacity=0)
        return availability_pb2.SearchSlotsResponse(slots=[slot])

    fresh.answers["SearchSlots"] = answer
    got = await gate.http("POST", "/v1/slots:search", {"serviceTypeId": "visit"})
    assert got.json["slots"][0]["capacity"] == 0
    assert got.json["slots"][0]["candidates"] == []


@pytest.mark.parametrize(
    ("method", "path", "called", "field", "value"),
    [
        ("POST", "/v1/holds/t0k-_en:confirm", "ConfirmHold", "hold_token", "t0k-_en"),
        ("POST", "/v1/holds/a%2Bb%3D%3D:validate", "ValidateHold", "hold_token", "a+b=="),
        ("DELETE", "/v1/holds/t0ken", "ReleaseHold", "hold_token", "t0ken"),
        ("GET", "/v1/requests/a%3Ab%40c.d_e-f", "GetRequest", "id", "a:b@c.d_e-f"),
        ("GET", "/v1/requests/a:b@c", "GetRequest", "id", "a:b@c"),
        ("POST", "/v1/assignments/a%3A1:cancel", "CancelAssignment", "assignment_id", "a:1"),
        ("PUT", "/v1/resources/r%401/schedule", "SetWeeklySchedule", "resource_id", "r@1"),
    ],
)
async def test_ids_in_the_address_arrive_whole(gate, method, path, called, field, value):
    body = None if method in ("GET", "DELETE") else {}
    got = await gate.http(method, path, body)
    assert got.status == 200
    assert gate.last.method == called
    assert getattr(gate.last.request, field) == value


async def test_the_idempotency_key_and_a_deadline_reach_the_service(gate):
    headers = gate.bearer() | {"Idempotency-Key": "k-1"}
    await gate.http("POST", "/v1/holds", HOLD, headers)
    assert gate.last.metadata["idempotency-key"] == "k-1"
    assert 10 < gate.last.seconds_left <= 15


async def test_the_token_goes_on_and_forged_identities_do_not(gate):
    token = gate.token()
    forged = {
        "authorization": f"Bearer {token}",
        "X-Tenant-Id": "other",
        "x-tenant": "other",
        "x-roles": "admin",
        "x-principal": "root",
        "x-jwt-sub": "root",
        "x-fairslot-tenant": "other",
        "x-envoy-retry-on": "5xx",
        "x-forwarded-client-cert": "me",
        "x-request-id": "7f6cdb0e-8f3a-4d0a-9a35-0d2b36a3a9a1",
    }
    await gate.http("GET", "/v1/resources", None, forged)
    seen = gate.last.metadata
    assert seen["authorization"] == f"Bearer {token}"
    names = ("tenant", "roles", "principal", "jwt", "fairslot", "envoy-retry", "client-cert")
    assert not [key for key in seen if any(f"x-{name}" in key for name in names)]
    assert seen["x-request-id"] == forged["x-request-id"]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        (None, 401, "UNAUTHENTICATED"),
        ({"lifetime_seconds": -30}, 401, "UNAUTHENTICATED"),
        ({"exp": None}, 401, "UNAUTHENTICATED"),
        ({"iss": "somebody"}, 401, "UNAUTHENTICATED"),
        ({"aud": "somebody"}, 401, "UNAUTHENTICATED"),
        ({"tenant": None}, 403, "PERMISSION_DENIED"),
        ({"tenant": ""}, 403, "PERMISSION_DENIED"),
        ({"roles": None}, 403, "PERMISSION_DENIED"),
        ({"roles": ["boss"]}, 403, "PERMISSION_DENIED"),
        ({"roles": "planner"}, 403, "PERMISSION_DENIED"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/resources", "/v1/changes"])
async def test_a_bad_token_is_refused_in_the_contracts_words(gate, path, changes, status, reason):
    headers = {} if changes is None else gate.bearer(**changes)
    got = await gate.http("GET", path, None, headers)
    assert (got.status, got.reason) == (status, reason)
    assert got.headers["content-type"] == "application/json"
    assert got.json["details"][0]["domain"] == "fairslot"
    assert got.json["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert not gate.backends[0].calls


async def test_a_token_that_is_remembered_still_runs_out(gate):
    # Envoy forgives clocks 5 s.
    headers = gate.bearer(lifetime_seconds=-3)
    assert (await gate.http("GET", "/v1/resources", None, headers)).status == 200
    await asyncio.sleep(3)
    assert (await gate.http("GET", "/v1/resources", None, headers)).status == 401


async def test_unsigned_and_foreign_signatures_are_refused(gate):
    head, body, _ = gate.token().split(".")
    none = "eyJhbGciOiJub25lIn0"
    for forged in (f"{none}.{body}.", f"{head}.{body}.AAAA", "rubbish"):
        got = await gate.http("GET", "/v1/resources", None, {"authorization": f"Bearer {forged}"})
        assert (got.status, got.reason) == (401, "UNAUTHENTICATED")
    # In the query it counts for the feed alone.
    got = await gate.http("GET", f"/v1/resources?access_token={gate.token()}", None, {})
    assert got.status == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/holds", b'{"serviceTypeId":'),
        ("/v1/holds", b'{"serviceTypeId":"v","start":"2027-01-01T10:00:00"}'),
        ("/v1/holds", b'{"partySize":"many"}'),
        ("/v1/holds?colour=blue", b"{}"),
    ],
)
async def test_json_that_cannot_be_read_is_an_invalid_argument(gate, path, body):
    got = await gate.http("POST", path, body)
    assert (got.status, got.reason) == (400, "INVALID_ARGUMENT")
    assert got.json["code"] == 3
    assert got.json["message"]
    assert not gate.backends[0].calls


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/v1/holds/x/y"])
async def test_an_unknown_address_is_not_found(gate, path):
    got = await gate.http("GET", path)
    assert (got.status, got.reason) == (404, "NOT_FOUND")
    assert got.json["code"] == 5


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_ten_megabytes_are_refused_readably(gate, content_type):
    headers = gate.bearer() | {"content-type": content_type}
    got = await gate.http("POST", "/v1/holds", b"a" * 10_000_000, headers)
    assert (got.status, got.reason) == (413, "PAYLOAD_TOO_LARGE")
    assert not gate.backends[0].calls


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.ABORTED, 409),
        (grpc.StatusCode.FAILED_PRECONDITION, 400),
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.INVALID_ARGUMENT, 400),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
        (grpc.StatusCode.INTERNAL, 500),
    ],
)
async def test_a_refusal_of_a_service_is_told_with_its_details(gate, fresh, code, status):
    async def refuse(_request, context):
        info = error_details_pb2.ErrorInfo(reason="SLOT_TAKEN", domain="fairslot")
        info.metadata["resource_id"] = "r1"
        details = [Any(), Any()]
        details[0].Pack(info)
        details[1].Pack(assignment_pb2.Alternatives(candidates=[{"resource_ids": ["r2"]}]))
        told = status_pb2.Status(code=code.value[0], message="r1 is taken", details=details)
        await context.abort_with_status(rpc_status.to_status(told))

    fresh.answers["PlaceHold"] = refuse
    got = await gate.http("POST", "/v1/holds", HOLD)
    assert (got.status, got.reason) == (status, "SLOT_TAKEN")
    assert got.json["code"] == code.value[0]
    assert got.json["message"] == "r1 is taken"
    assert got.json["details"][0]["metadata"] == {"resource_id": "r1"}
    alternatives = got.json["details"][1]
    assert alternatives["@type"].endswith("/fairslot.assignment.v1.Alternatives")
    assert alternatives["candidates"][0]["resourceIds"] == ["r2"]


async def test_answers_say_nothing_of_what_is_behind(gate):
    for path in ("/v1/resources", "/healthz", "/nowhere"):
        got = await gate.http("GET", path)
        names = {name.lower() for name in got.headers}
        assert not names & {"server", "grpc-status", "grpc-message", "grpc-accept-encoding"}
        assert "envoy" not in str([v for k, v in got.headers.items()]).lower()


async def test_large_json_is_packed_and_may_be_megabytes(gate, fresh):
    async def answer(_request, _context):
        many = [catalog_pb2.Resource(id=f"r{n}", display_name="x" * 200) for n in range(15_000)]
        return catalog_pb2.ListResourcesResponse(resources=many)

    fresh.answers["ListResources"] = answer
    packed = gate.bearer() | {"accept-encoding": "gzip"}
    got = await gate.http("GET", "/v1/resources", None, packed)
    assert got.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(got.body))["resources"]) == 15_000
    plain = await gate.http("GET", "/v1/resources")
    assert len(plain.body) > 4_000_000


async def test_health_needs_no_token(gate):
    assert (await gate.http("GET", "/healthz", None, {})).status == 200


async def test_browsers_of_allowed_origins_may_ask(gate):
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "x-grpc-web"}
    good = await gate.http("OPTIONS", "/v1/holds", None, {"origin": "http://localhost:5173", **ask})
    assert good.status == 200
    assert good.headers["access-control-allow-origin"] == "http://localhost:5173"
    bad = await gate.http("OPTIONS", "/v1/holds", None, {"origin": "http://evil.test", **ask})
    assert "access-control-allow-origin" not in bad.headers


async def changes(_request, _context):
    for number in range(2):
        yield planner_pb2.Change(topic="holds", kind="HELD", id="h1", version=number + 1)


async def test_changes_come_as_events_to_who_accepts_them(gate, fresh):
    fresh.streams["WatchChanges"] = changes
    headers = {"accept": "text/event-stream"}
    path = f"/v1/changes?topics=holds&topics=assignments&resumeToken=7&access_token={gate.token()}"
    got = await gate.http("GET", path, None, headers)
    assert got.headers["content-type"] == "text/event-stream"
    blocks = [block for block in got.body.decode().split("\n\n") if block]
    assert all(block.startswith("data: ") for block in blocks)
    told = [json.loads(block.removeprefix("data: ")) for block in blocks]
    assert [(one["kind"], one["version"]) for one in told] == [("HELD", "1"), ("HELD", "2")]
    assert list(gate.last.request.topics) == ["holds", "assignments"]
    assert gate.last.request.resume_token == "7"
    assert gate.last.metadata["authorization"].startswith("Bearer ey")
    assert gate.last.seconds_left is None


async def test_changes_come_as_lines_to_others(gate, fresh):
    fresh.streams["WatchChanges"] = changes
    got = await gate.http("GET", "/v1/changes")
    assert got.headers["content-type"] == "application/json"
    assert [json.loads(line)["id"] for line in got.body.decode().splitlines()] == ["h1", "h1"]
