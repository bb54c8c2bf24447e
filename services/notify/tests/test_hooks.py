"""Webhooks on real servers: signed, once per change, tried again, never to private addresses."""

import contextlib
import json
import socket

import psycopg
import pytest
import pytest_asyncio
from fairslot.notify.v1 import webhook_pb2 as pb
from google.protobuf.duration_pb2 import Duration
from standardwebhooks import Webhook, WebhookVerificationError

from kit.bus import open_bus
from kit.fault import Denied, Exists, Invalid, NotFound
from services.notify.listener import SOURCES
from services.notify.senders import FEED
from services.notify.tests.happenings import allocation, event, request
from services.notify.tests.hooks import notify, receiving, until
from services.notify.tests.test_feed import SUBJECTS

LOOPBACK = "127.0.0.0/8,::1/128"


@pytest_asyncio.fixture
async def bus(servers):
    """A bus whose streams are empty and new."""
    async with open_bus(servers.nats_url, name="test") as opened:
        for stream in (FEED, *SOURCES):
            with contextlib.suppress(Exception):
                await opened.jetstream.delete_stream(stream)
        for stream, subjects in SUBJECTS.items():
            await opened.ensure_stream(stream, subjects, bytes_max=2**26)
        yield opened


@pytest.fixture
def own(database):
    return database("notify")


@pytest_asyncio.fixture
async def receiver():
    async with receiving() as opened:
        yield opened


@pytest_asyncio.fixture
async def caller(bus, servers, tokens, own):
    async with notify(servers, tokens, own, webhook_networks=LOOPBACK) as opened:
        yield opened


@pytest.fixture
def ada(caller):
    return caller()


def rows(own, statement, *values):
    with psycopg.connect(own.admin_url, autocommit=True) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def hurry(own):
    """Lets waiting end at once."""
    rows(own, "UPDATE notify.delivery SET next_at = now() WHERE state = 'PENDING'")


async def test_a_change_arrives_signed_and_verifies(ada, bus, receiver):
    made = await ada.endpoint(receiver.url, topics=["holds"])
    await bus.publish([event(allocation("a1")), event(request("q1"))])
    await receiver.until(1)
    headers, body = receiver.got[0]
    told = Webhook(made.secret).verify(body, headers)
    assert (told["type"], told["data"]["id"], told["data"]["version"]) == ("holds.held", "a1", 1)
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(body.replace(b"a1", b"a2"), headers)
    await until(lambda: delivered(ada, 1))
    (delivery,) = await ada.deliveries()
    assert (delivery.type, delivery.message_id) == ("holds.held", headers["webhook-id"])
    assert delivery.body.encode() == body
    assert [(one.status, one.error) for one in delivery.attempts] == [(204, "")]
    assert len(receiver.got) == 1


async def delivered(ada, count):
    return len(await ada.deliveries(state="DELIVERED")) == count


async def test_each_tenant_and_endpoint_gets_its_own_and_each_change_once(
    caller, bus, receiver, own, servers, tokens
):
    ada, eve = caller(), caller("other")
    one = await ada.endpoint(receiver.url + "/one")
    await ada.endpoint(receiver.url + "/two", topics=["requests"])
    theirs = await eve.endpoint(receiver.url + "/three")
    events = [event(request(f"q{n}"), "acme" if n % 2 else "other") for n in range(40)]
    # A second process shares the work, and neither repeats what the other did.
    async with notify(servers, tokens, own, webhook_networks=LOOPBACK):
        await bus.publish(events)
        await receiver.until(60)
        await until(lambda: delivered(ada, 40))
        await until(lambda: delivered(eve, 20))
    ids = {json.loads(body)["data"]["id"] for headers, body in receiver.got}
    assert len(receiver.got) == 60
    assert ids == {f"q{n}" for n in range(40)}
    assert {d.endpoint_id for d in await eve.deliveries()} == {theirs.id}
    assert len(await ada.deliveries(endpoint_id=one.id)) == 20


async def test_the_same_feed_read_again_sends_nothing_again(bus, servers, tokens, own, receiver):
    async with notify(servers, tokens, own, webhook_networks=LOOPBACK) as caller:
        await caller().endpoint(receiver.url)
        await bus.publish([event(request("q1"))])
        await receiver.until(1)
    rows(own, "UPDATE notify.reading SET position = 0")
    async with notify(servers, tokens, own, webhook_networks=LOOPBACK):
        await bus.publish([event(request("q2"))])
        await receiver.until(2)
    assert [json.loads(body)["data"]["id"] for _, body in receiver.got] == ["q1", "q2"]


async def test_what_fails_is_tried_again_with_the_same_id_until_it_is_taken(
    ada, bus, receiver, own
):
    receiver.statuses += [500, 302, 503]
    receiver.headers["location"] = receiver.url + "/elsewhere"
    made = await ada.endpoint(receiver.url)
    await bus.publish([event(request("q1"))])
    for count in (1, 2, 3):
        await receiver.until(count)
        await until(lambda count=count: attempted(ada, count))
        (delivery,) = await ada.deliveries(state="PENDING")
        assert delivery.next_attempt_at.ToSeconds() > delivery.created_at.ToSeconds()
        hurry(own)
    await receiver.until(4)
    await until(lambda: delivered(ada, 1))
    (delivery,) = await ada.deliveries()
    assert [one.status for one in delivery.attempts] == [204, 503, 302, 500]
    assert "no" in delivery.attempts[1].error
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert all(Webhook(made.secret).verify(body, headers) for headers, body in receiver.got)


async def attempted(ada, count):
    (delivery,) = await ada.deliveries()
    return len(delivery.attempts) == count


async def test_a_dead_letter_is_kept_and_may_be_sent_again(ada, bus, receiver, own):
    receiver.statuses += [500] * 2
    await ada.endpoint(receiver.url)
    await bus.publish([event(request("q1"))])
    await until(lambda: attempted_once(ada))
    rows(own, "UPDATE notify.delivery SET round_attempt = 9, next_at = now()")
    await until(lambda: dead(ada))
    (letter,) = await ada.deliveries(state="DEAD")
    assert not letter.HasField("next_attempt_at")
    again = await ada("Redeliver", pb.RedeliverRequest(id=letter.id, request_id="k1"))
    assert again.delivery.state == pb.Delivery.PENDING
    await until(lambda: delivered(ada, 1))
    repeated = await ada("Redeliver", pb.RedeliverRequest(id=letter.id, request_id="k1"))
    assert repeated == again
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


async def attempted_once(ada):
    return [len(one.attempts) for one in await ada.deliveries()] == [1]


async def dead(ada):
    return bool(await ada.deliveries(state="DEAD"))


async def test_an_endpoint_that_is_gone_gets_nothing_more(ada, bus, receiver):
    receiver.statuses += [410]
    await ada.endpoint(receiver.url)
    await bus.publish([event(request("q1"))])
    await until(lambda: dead(ada))
    (left,) = (await ada("ListEndpoints", pb.ListEndpointsRequest())).endpoints
    assert not left.active
    assert left.secret == ""


async def test_secrets_are_rotated_without_a_gap(ada, bus, receiver):
    made = await ada.endpoint(receiver.url)
    fresh = (await ada("RotateSecret", pb.RotateSecretRequest(id=made.id))).endpoint
    assert fresh.secret != made.secret
    await bus.publish([event(request("q1"))])
    await receiver.until(1)
    headers, body = receiver.got[0]
    for secret in (made.secret, fresh.secret):
        assert Webhook(secret).verify(body, headers)
    none = Duration()
    last = await ada("RotateSecret", pb.RotateSecretRequest(id=made.id, overlap=none))
    await bus.publish([event(request("q2"))])
    await receiver.until(2)
    headers, body = receiver.got[1]
    assert Webhook(last.endpoint.secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(fresh.secret).verify(body, headers)


async def test_names_that_stand_for_private_addresses_are_never_connected_to(
    bus, servers, tokens, own, receiver
):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        port = trap.getsockname()[1]
        async with notify(servers, tokens, own) as caller:
            ada = caller()
            for url in (receiver.url, f"https://127.0.0.1:{port}/", "https://[::1]/"):
                with pytest.raises(Invalid):
                    await ada.endpoint(url)
            await ada.endpoint(f"https://localhost:{port}/")
            await ada.endpoint(f"https://0x7f.1:{port}/")
            await bus.publish([event(request("q1"))])
            await until(lambda: refused(ada, 2))
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert receiver.got == []


async def refused(ada, count):
    found = await ada.deliveries(state="PENDING")
    errors = [one.attempts[0].error for one in found if one.attempts]
    return len(errors) == count and all("public address" in error for error in errors)


async def test_calls_are_kept_apart_by_tenant_key_and_role(caller, receiver):
    ada, eve = caller(), caller("other")
    wanted = pb.CreateEndpointRequest(
        endpoint=pb.Endpoint(id="e1", url=receiver.url), request_id="k1"
    )
    made = await ada("CreateEndpoint", wanted)
    assert await ada("CreateEndpoint", wanted) == made
    with pytest.raises(Exists):
        await ada.endpoint(receiver.url, id="e1")
    for name, question in (
        ("DeleteEndpoint", pb.DeleteEndpointRequest(id="e1")),
        ("RotateSecret", pb.RotateSecretRequest(id="e1")),
        ("Redeliver", pb.RedeliverRequest(id="e1")),
    ):
        with pytest.raises(NotFound):
            await eve(name, question)
    assert not (await eve("ListEndpoints", pb.ListEndpointsRequest())).endpoints
    with pytest.raises(Denied):
        await caller(roles=["planner"])("ListEndpoints", pb.ListEndpointsRequest())
    with pytest.raises(Invalid):
        await ada("ListDeliveries", pb.ListDeliveriesRequest(page_token="rubbish"))
    await ada("DeleteEndpoint", pb.DeleteEndpointRequest(id="e1"))
    assert not (await ada("ListEndpoints", pb.ListEndpointsRequest())).endpoints


async def test_deliveries_are_listed_by_pages_and_go_with_their_endpoint(ada, bus, receiver, own):
    made = await ada.endpoint(receiver.url)
    await bus.publish([event(request(f"q{n}")) for n in range(7)])
    await until(lambda: delivered(ada, 7))
    seen, token = [], ""
    while True:
        page = await ada("ListDeliveries", pb.ListDeliveriesRequest(page_size=3, page_token=token))
        seen += [one.id for one in page.deliveries]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 7
    await ada("DeleteEndpoint", pb.DeleteEndpointRequest(id=made.id))
    assert rows(own, "SELECT count(*) FROM notify.attempt") == [(0,)]
