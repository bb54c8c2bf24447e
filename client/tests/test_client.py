"""The client keeps its key over retries, reads refusals, and resumes a watch, over real gRPC."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger
from fairslot.availability.v1 import catalog_pb2 as catalog
from fairslot.gateway.v1 import planner_pb2 as planner
from fairslot.matching.v1.matching_pb2 import Candidate
from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from client import Call, Client, Method, Refusal, methods, open_channel
from client import watch as watch_module

Script = Callable[[Any, Any], Any]


def refusal_bytes(code: int, reason: str, *details: Any) -> tuple[tuple[str, bytes]]:
    """Makes the trailers of a typed refusal."""
    packed = []
    for detail in (ErrorInfo(reason=reason, domain="fairslot", metadata={"a": "b"}), *details):
        one = Packed()
        one.Pack(detail)
        packed.append(one)
    status = Status(code=code, message="no", details=packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)


class Ledger:
    """Plays a script, one step per call, and remembers what it was sent."""

    def __init__(self, *steps: Script) -> None:
        self.steps = list(steps)
        self.seen: list[Any] = []
        self.metadata: list[dict[str, Any]] = []

    async def place_hold(self, request: Any, context: Any) -> Any:
        """Takes the next step of the script."""
        self.seen.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        return await self.steps.pop(0)(request, context)


async def grant(request: Any, context: Any) -> Any:
    """Places the hold."""
    return ledger.PlaceHoldResponse(hold=ledger.Hold(id="h1", token="t1"))


def refuse(code: grpc.StatusCode, reason: str, *details: Any) -> Script:
    """Makes a step that refuses."""

    async def step(request: Any, context: Any) -> Any:
        context.set_trailing_metadata(refusal_bytes(code.value[0], reason, *details))
        await context.abort(code, "no")

    return step


async def dawdle(request: Any, context: Any) -> Any:
    """Is never done."""
    await asyncio.sleep(60)


def handler_of(path: str, answer: Any) -> grpc.GenericRpcHandler:
    """Makes a handler of one method; the watch is the one that streams."""
    service, _, name = path.strip("/").rpartition("/")
    declared = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
    kind: Any = (
        grpc.unary_stream_rpc_method_handler
        if path == watch_module.PATH
        else grpc.unary_unary_rpc_method_handler
    )
    handler = kind(
        answer,
        request_deserializer=GetMessageClass(declared.input_type).FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(service, {name: handler})


@asynccontextmanager
async def serving(path: str, answer: Any) -> AsyncIterator[str]:
    """Runs one method on a free port and yields the gateway URL."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler_of(path, answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def calling(book: Ledger, **options: Any) -> AsyncIterator[Client]:
    """Runs a ledger and yields a client of it."""
    async with (
        serving(methods.PLACE_HOLD.path, book.place_hold) as url,
        open_channel(url) as channel,
    ):
        yield Client(channel, token="jwt", rng=random.Random(1), **options)


@pytest.mark.parametrize(
    "first",
    [
        refuse(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
        refuse(grpc.StatusCode.ABORTED, "REQUEST_IN_PROGRESS"),
        dawdle,
    ],
)
async def test_a_retry_keeps_the_key(first: Script) -> None:
    book = Ledger(first, grant)
    async with calling(book) as client:
        reply = await client.call(
            methods.PLACE_HOLD,
            ledger.PlaceHoldRequest(service_type_id="visit"),
            timeout_seconds=0.3,
        )
    assert reply.hold.id == "h1"
    keys = [request.request_id for request in book.seen]
    assert len(keys) == 2
    assert keys[0] == keys[1] != ""
    assert book.metadata[0]["authorization"] == "Bearer jwt"


async def test_each_write_has_its_own_key_and_a_given_one_is_kept() -> None:
    book = Ledger(grant, grant, grant)
    async with calling(book) as client:
        for key in ("", "", "mine"):
            await client.call(methods.PLACE_HOLD, ledger.PlaceHoldRequest(request_id=key))
    keys = [request.request_id for request in book.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


async def test_a_slot_taken_is_final_and_carries_alternatives() -> None:
    choices = ledger.Alternatives(candidates=[Candidate(resource_ids=["r2"], match_percent=80)])
    book = Ledger(refuse(grpc.StatusCode.ABORTED, "SLOT_TAKEN", choices))
    async with calling(book) as client:
        with pytest.raises(Refusal) as caught:
            await client.call(methods.PLACE_HOLD, ledger.PlaceHoldRequest())
    assert caught.value.reason == "SLOT_TAKEN"
    assert caught.value.metadata == {"a": "b"}
    assert caught.value.alternatives == tuple(choices.candidates)
    assert not caught.value.outcome_unknown
    assert len(book.seen) == 1


async def test_a_bad_field_is_named() -> None:
    bad = BadRequest(field_violations=[BadRequest.FieldViolation(field="start", description="x")])
    book = Ledger(refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", bad))
    async with calling(book) as client:
        with pytest.raises(Refusal) as caught:
            await client.call(methods.PLACE_HOLD, ledger.PlaceHoldRequest())
    assert caught.value.violations == (("start", "x"),)


async def test_the_server_says_how_long_to_wait_and_attempts_end() -> None:
    wait = RetryInfo()
    wait.retry_delay.FromMilliseconds(1)
    down = refuse(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", wait)
    book = Ledger(*[down] * 9)
    async with calling(book) as client:
        with pytest.raises(Refusal) as caught:
            await client.call(methods.PLACE_HOLD, ledger.PlaceHoldRequest())
    assert caught.value.retry_after_seconds == pytest.approx(0.001)
    assert caught.value.outcome_unknown
    assert len(book.seen) == 4


async def test_an_observer_sees_the_bytes_of_the_reply() -> None:
    calls: list[Call] = []
    async with calling(Ledger(grant), observer=calls.append) as client:
        reply = await client.call(methods.PLACE_HOLD, ledger.PlaceHoldRequest())
    assert calls[0].reply == reply.SerializeToString()
    assert calls[0].method == "PlaceHold"
    assert calls[0].invoked_seconds <= calls[0].completed_seconds


async def test_reads_have_no_key() -> None:
    async def get_tenant(request: Any, context: Any) -> Any:
        return catalog.GetTenantResponse(tenant=catalog.Tenant(id="acme"))

    async with serving(methods.GET_TENANT.path, get_tenant) as url, open_channel(url) as channel:
        reply = await Client(channel, token="t").call(
            methods.GET_TENANT, catalog.GetTenantRequest()
        )
    assert reply.tenant.id == "acme"


class Planner:
    """Sends two changes per stream, together if so made, then breaks it in the way given."""

    def __init__(self, breaking: Callable[[Any], Any], *, together: bool = False) -> None:
        self.breaking = breaking
        self.together = together
        self.tokens: list[str] = []

    async def watch(self, request: Any, context: Any) -> AsyncIterator[planner.Change]:
        """Streams from the token on."""
        self.tokens.append(request.resume_token)
        yield planner.Change(kind=planner.Change.HEARTBEAT, position=request.resume_token)
        at = int(request.resume_token or 0)
        one, two = (
            planner.Change(kind=planner.Change.SAVED, position=str(position))
            for position in (at + 1, at + 2)
        )
        if self.together:
            assert request.together
            one.more.append(two)
        yield one
        if not self.together:
            yield two
        await self.breaking(context)


async def break_off(context: Any) -> None:
    """Loses the connection."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")


async def end(context: Any) -> None:
    """Ends the stream in good order."""


async def fall_silent(context: Any) -> None:
    """Says nothing more."""
    await asyncio.sleep(60)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("breaking", [break_off, end, fall_silent])
async def test_a_watch_resumes_after_the_last_change(
    breaking: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    monkeypatch.setattr(watch_module, "SILENCE_SECONDS", 0.2)
    plan = Planner(breaking, together=together)
    async with serving(watch_module.PATH, plan.watch) as url, open_channel(url) as channel:
        got = []
        async for change in Client(channel, token="t").watch(["holds"]):
            assert not change.more
            got.append(change.position)
            if len(got) == 6:
                break
    assert got == ["1", "2", "3", "4", "5", "6"]
    assert plan.tokens == ["", "2", "4"]


async def test_a_watch_that_is_not_allowed_says_so() -> None:
    async def closed(request: Any, context: Any) -> AsyncIterator[planner.Change]:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
        yield planner.Change()

    async with serving(watch_module.PATH, closed) as url, open_channel(url) as channel:
        with pytest.raises(Refusal) as caught:
            async for _ in Client(channel, token="t").watch():
                pass
    assert caught.value.reason == "UNAUTHENTICATED"


def test_every_method_is_what_its_proto_says() -> None:
    known = {name: it for name, it in vars(methods).items() if isinstance(it, Method)}
    assert known
    for method in known.values():
        service, _, name = method.path.strip("/").rpartition("/")
        declared = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
        assert declared.input_type is method.question.DESCRIPTOR
        assert declared.output_type is method.reply.DESCRIPTOR
        assert declared.GetOptions().ListFields(), f"{name} is not public"
