"""Calendar webhooks over real HTTP and PostgreSQL: one effect per event, none from bad ones."""

import asyncio
import contextlib
import json
import random

import grpc
import psycopg
import pytest
import pytest_asyncio
from fairslot.availability.v1 import catalog_pb2
from fairslot.gateway.v1 import calendar_pb2 as pb

from gateway.app import open_service
from gateway.servicer.webhooks import BODY_BYTES_MAX
from gateway.tests import calcom
from gateway.tests.backend import Backend
from gateway.tests.backend import serving as backend_serving
from gateway.tests.calendars import SECRET, Diary, Gate, free, service_types, told
from gateway.tests.feeds import new_feed, settings
from kit.bus import open_bus
from kit.service import serving


@pytest.fixture
def people():
    ada = catalog_pb2.Resource(id="r1", labels={"calendar_email": "ada@example.com"})
    return [ada, catalog_pb2.Resource(id="bo", skills=[{"name": "boiler"}])]


@pytest_asyncio.fixture
async def diary(people):
    backend, diary = Backend(name="availability"), Diary()

    async def resources(_request, _context):
        return catalog_pb2.ListResourcesResponse(resources=people)

    backend.answers.update(
        ListServiceTypes=service_types,
        ListResources=resources,
        UpsertExternalBusy=diary.upsert,
        DeleteExternalBusy=diary.delete,
    )
    async with backend_serving(backend):
        diary.backend = backend
        yield diary


@pytest.fixture
def own(database):
    return database("gateway")


@pytest_asyncio.fixture
async def gate(servers, tokens, own, diary, tmp_path):
    (tmp_path / "key.pem").write_text(tokens.key_pem)
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"acme": [SECRET], "other": ["of other"]}))
    async with open_bus(servers.nats_url, name="test") as bus:
        await new_feed(bus)
    env = settings(
        servers,
        tokens,
        database_url=own.url,
        worker_database_url=own.worker_url,
        availability_address=diary.backend.address,
        signing_key_path=tmp_path / "key.pem",
        calendar_secrets_path=secrets,
        http_address=(address := f"127.0.0.1:{free()}"),
    )
    async with (
        open_service(env) as service,
        serving(service) as grpc_address,
        grpc.aio.insecure_channel(grpc_address) as channel,
    ):
        yield Gate(address, channel, tokens, secrets)


async def test_a_booking_takes_time_at_once_and_gives_it_back(gate, diary):
    status, answer = await gate.post(told())
    assert (status, answer["outcome"]) == (202, "APPLIED")
    assert diary.busy() == {("r1", "u1")}
    call = next(one for one in diary.backend.calls if one.method == "UpsertExternalBusy")
    (event,) = call.request.events
    assert event.interval.start_time.ToJsonString() == "2027-03-01T10:00:00Z"
    (shown,) = await gate.events()
    assert (shown.service_type_id, list(shown.required_skills)) == ("visit", ["boiler"])
    assert list(shown.missing_skills) == ["boiler"]
    await gate.post(told("BOOKING_RESCHEDULED", uid="u2", rescheduleUid="u1", seconds=1))
    assert diary.busy() == {("r1", "u2")}
    await gate.post(told("BOOKING_CANCELLED", uid="u2", seconds=2))
    assert diary.busy() == set()


async def test_a_webhook_replayed_a_hundred_times_has_one_effect(gate, diary):
    raw = told()
    answers = await asyncio.gather(*(gate.post(raw) for _ in range(100)))
    assert sorted(answer["outcome"] for _, answer in answers)[:2] == ["APPLIED", "REPEATED"]
    assert diary.applied == 1
    assert len(await gate.events()) == 1


async def test_whatever_the_order_it_ends_the_same(gate, diary):
    chance = random.Random(11)
    for number in range(8):
        one, two, three = (f"{number}-{part}" for part in "abc")
        story = [
            told(uid=one, seconds=0),
            told("BOOKING_RESCHEDULED", uid=two, rescheduleUid=one, seconds=1),
            told("BOOKING_RESCHEDULED", uid=three, rescheduleUid=two, seconds=2),
            # Another host takes it over.
            told("BOOKING_RESCHEDULED", uid=three, organizer={"username": "bo"}, seconds=3),
            told(uid=f"{number}-gone", seconds=0),
            told("BOOKING_CANCELLED", uid=f"{number}-gone", seconds=1),
        ]
        chance.shuffle(story)
        for raw in story:
            status, _ = await gate.post(raw)
            assert status == 202
        assert {name for name in diary.busy() if name[1].startswith(f"{number}-")} == {
            ("bo", three)
        }


async def test_bad_ones_are_refused_and_leave_nothing(gate, diary, own):
    raw = told()
    for signature in ("", "no-secret-provided", "0" * 64, calcom.signature(raw, "guessed")):
        status, answer = await gate.post(raw, signature)
        assert (status, answer["details"][0]["reason"]) == (401, "UNAUTHENTICATED")
    other = calcom.signature(told(uid="u9"), SECRET)
    assert (await gate.post(raw, other))[0] == 401
    assert (await gate.post(raw, path="/webhooks/calcom?tenant=other"))[0] == 401
    assert (await gate.post(told(seconds=-90_000)))[0] == 400
    assert (await gate.post(told(seconds=400)))[0] == 400
    assert (await gate.post(b"{}"))[0] == 400
    large = told(note="x" * BODY_BYTES_MAX)
    status, answer = await gate.post(large)
    assert (status, answer["details"][0]["reason"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await gate.post(b"x" * 10_000_000))[0] == 413
    assert diary.entries == {}
    with psycopg.connect(own.admin_url) as connection:
        assert connection.execute("SELECT count(*) FROM gateway.received").fetchone() == (0,)


async def test_a_body_that_never_ends_or_comes_too_slowly_is_cut_off(gate, diary, monkeypatch):
    monkeypatch.setattr("gateway.servicer.webhooks.BODY_SECONDS_MAX", 0.3)
    host, _, port = gate.web.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /webhooks/calcom HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
    assert b"408" in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /webhooks/calcom HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(1100):
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()
    assert b"413" in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_secrets_rotate_without_a_restart(gate):
    gate.secrets_path.write_text(json.dumps({"acme": ["fresh", SECRET]}))
    for secret, status in (("fresh", 202), (SECRET, 202), ("of other", 401)):
        raw = told(uid=f"by {secret}")
        assert (await gate.post(raw, calcom.signature(raw, secret)))[0] == status
    gate.secrets_path.write_text(json.dumps({"acme": ["fresh"]}))
    raw = told(uid="late")
    assert (await gate.post(raw))[0] == 401


async def test_what_nobody_knows_is_kept_shown_and_may_be_applied_later(gate, diary, people):
    stranger = {"email": "cleo@example.com"}
    await gate.post(told(uid="u1", organizer=stranger))
    await gate.post(told(uid="u2", type="lunch", eventTypeId=99))
    await gate.post(told("MEETING_ENDED", uid="u3"))
    found = {one.uid: pb.CalendarEvent.Outcome.Name(one.outcome) for one in await gate.events()}
    assert found == {"u1": "UNKNOWN_RESOURCE", "u2": "UNKNOWN_EVENT_TYPE", "u3": "IGNORED"}
    # Whatever it is, the time is taken.
    assert diary.busy() == {("r1", "u2")}
    (unknown,) = await gate.events(outcomes=["UNKNOWN_RESOURCE"])
    assert list(unknown.users) == ["cleo@example.com"]
    people.append(catalog_pb2.Resource(id="r3", labels={"calendar_user": "Cleo@example.com"}))
    assert (await gate.again(unknown.id)).outcome == pb.CalendarEvent.APPLIED
    assert ("r3", "u1") in diary.busy()
    assert await gate.events(tenant="other") == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gate.again(unknown.id, tenant="other")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_what_cannot_be_applied_now_is_applied_by_itself(gate, diary, monkeypatch, own):
    monkeypatch.setattr("gateway.engine.calendars.LOOK_SECONDS", 0.1)
    diary.down = True
    status, answer = await gate.post(told())
    assert (status, answer["outcome"]) == (202, "WAITING")
    assert diary.busy() == set()
    diary.down = False
    with psycopg.connect(own.admin_url, autocommit=True) as connection:
        connection.execute("UPDATE gateway.received SET next_at = now()")
    async with asyncio.timeout(15):
        while not await gate.events(outcomes=["APPLIED"]):
            await asyncio.sleep(0.05)
    assert diary.busy() == {("r1", "u1")}
