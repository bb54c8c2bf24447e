"""Lists, pages, workload by local day, and the events as others get them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone

import psycopg
from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.assignment.v1 import events_pb2, request_pb2
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from kit.bus import open_bus
from services.assignment.domain import BookingRequest, Place, RequestState, Span
from services.assignment.peers.moments import timestamp
from services.assignment.senders import encode
from services.assignment.tests.books import HOUR, allocation_id, key, slot
from services.assignment.tests.calls import at, window

EPOCH = date(1970, 1, 1)


async def every_page(ann, name: str, request, items: str) -> list:
    found = []
    while True:
        reply = await ann(name, request)
        found.extend(getattr(reply, items))
        if not reply.next_page_token:
            return found
        request.page_token = reply.next_page_token


async def test_assignments_by_start_page_by_page(ann):
    made = []
    for number in range(7):
        wanted = await ann.want(f"q{number}")
        # Two at a time begin together.
        resource, start = f"r{1 + number % 2}", at(number // 2 * 2)
        made.append(await ann.assign(wanted.id, resource, start=start, reason="x"))
    await ann.cancel(made[2].id)
    await ann.hold("r3")
    live = [done for done in made if done.id != made[2].id]

    async def ids(**filters) -> list[str]:
        request = pb.ListAssignmentsRequest(page_size=2, **filters)
        return [a.id for a in await every_page(ann, "ListAssignments", request, "assignments")]

    assert await ids() == [a.id for a in sorted(live, key=lambda a: (a.start.seconds, a.id))]
    assert await ids(state=pb.Assignment.CANCELLED) == [made[2].id]
    assert await ids(booking_request_id="q3") == [made[3].id]
    assert set(await ids(resource_ids=["r2"])) == {made[1].id, made[3].id, made[5].id}
    # Half-open: the slot that ends as the window starts is outside.
    assert set(await ids(window=window(1, 4))) == {made[3].id}
    assert set(await ids(window=window(0.5, 4.5))) == {made[n].id for n in (0, 1, 3, 4, 5)}
    assert await ids(window=window(100, 101)) == []


async def test_requests_oldest_first_and_as_they_stand_now(books):
    names = [await books.request() for _ in range(5)]
    await books.hold("r1", request=names[1], ttl=0.02)
    await books.hold("r2", request=names[2], ttl=60)
    await books.cancel_request(names[3])
    await asyncio.sleep(0.03)

    async def listed(state: RequestState | None = None) -> list[BookingRequest]:
        found, after = [], None
        while True:
            page = await books.reads.requests("acme", state=state, limit=2, after=after)
            found.extend(page.items)
            if page.last is None:
                return found
            after = page.last

    assert [r.id for r in await listed()] == names
    opened = await listed(RequestState.OPEN)
    # The hold of the second is over, though nobody has written it down yet.
    assert [r.id for r in opened] == [names[0], names[1], names[4]]
    assert opened[1].assignment_id == ""
    assert [r.id for r in await listed(RequestState.HELD)] == [names[2]]


async def test_workload_by_local_day(books):
    await books.assign("r1", at=slot(0))
    await books.assign("r1", at=slot(3))
    await books.assign("r2", at=slot(0))
    await books.hold("r2", at=slot(5))
    # 22:00 to 02:00 in Berlin, two hours on either day.
    night = datetime(2027, 3, 2, 21, tzinfo=UTC)
    await books.assign("r1", at=Span(night, night + 4 * HOUR))
    gone = allocation_id(await books.assign("r3", at=slot(0)))
    await books.cancel(gone)
    past = datetime(2020, 3, 29, 0, tzinfo=UTC)
    # The day on which Berlin's clocks go forward has 23 hours.
    await books.assign("r1", at=Span(past - HOUR, past + 22 * HOUR))

    async def counted(span: Span, *resources: str) -> list[tuple]:
        rows = await books.reads.workload(
            "acme", span, zone="Europe/Berlin", resource_ids=resources
        )
        return [
            (r.resource_id, str(EPOCH + timedelta(days=r.day)), r.bookings, r.minutes, r.delivered)
            for r in rows
        ]

    march = Span(datetime(2027, 2, 28, 23, tzinfo=UTC), datetime(2027, 3, 31, 22, tzinfo=UTC))
    assert await counted(march) == [
        ("r1", "2027-03-01", 2, 120, False),
        ("r1", "2027-03-02", 1, 120, False),
        ("r1", "2027-03-03", 1, 120, False),
        ("r2", "2027-03-01", 1, 60, False),
    ]
    assert await counted(march, "r2") == [("r2", "2027-03-01", 1, 60, False)]
    long_ago = Span(past - timedelta(days=1), past + timedelta(days=2))
    assert await counted(long_ago) == [("r1", "2020-03-29", 1, 23 * 60, True)]
    assert await counted(Span(march.start - 5 * HOUR, march.start)) == []


async def test_workload_in_columns(ann):
    for hours in (0, 3, 24):
        await ann.assign((await ann.want()).id, "r1", start=at(hours), reason="x")
    await ann.assign((await ann.want()).id, "r2", reason="x")
    request = pb.GetWorkloadRequest(window=window(-9, 100), time_zone="UTC")
    reply = await ann("GetWorkload", request)
    first = (date(2027, 3, 1) - EPOCH).days
    assert list(reply.resource_ids) == ["r1", "r2"]
    assert list(reply.resource_indexes) == [0, 0, 1]
    assert list(reply.days) == [first, first + 1, first]
    assert list(reply.bookings) == [2, 1, 1]
    assert list(reply.minutes) == [120, 60, 60]
    assert list(reply.delivered) == [0, 0, 0]


async def test_every_step_reaches_the_stream_as_its_message(ann, caller, servers, world):
    tenant = f"t{datetime.now(UTC).timestamp():.6f}".replace(".", "-")
    eve = caller(tenant, ["planner"], "eve")
    wanted = await eve.want("q1", place={"latitude": 52.5, "longitude": 13.4}, labels={"a": "b"})
    held = await eve.hold("r2", "r1", booking_request_id=wanted.id)
    await eve.confirm(held.token, "fits")
    await eve.cancel(held.id, reason="ill", close_request=True)
    seen = []
    async with open_bus(servers.nats_url, name="test") as bus, asyncio.timeout(10):
        async for batch in bus.follow(
            "ASSIGNMENT", [f"fairslot.assignment.v1.*.{tenant}"], after=0
        ):
            seen.extend(batch)
            if len(seen) == 4:
                break
    created = events_pb2.RequestChanged.FromString(seen[0].body)
    assert created.request.id == "q1"
    assert (created.version, created.actor) == (1, "eve")
    steps = [events_pb2.AllocationChanged.FromString(event.body) for event in seen[1:]]
    state = events_pb2.AllocationChanged.State.Name
    assert [state(step.state) for step in steps] == ["HELD", "ASSIGNED", "CANCELLED"]
    assert [state(step.previous_state) for step in steps] == [
        "STATE_UNSPECIFIED",
        "HELD",
        "ASSIGNED",
    ]
    assert [step.version for step in steps] == [1, 2, 3]
    assert [step.request_version for step in steps] == [2, 3, 4]
    assert [r.resource_id for r in steps[0].resources] == ["r2", "r1"]
    assert [[r.generation for r in step.resources] for step in steps] == [[n, n] for n in (1, 2, 3)]
    assert steps[0].HasField("expires_at")
    assert not steps[1].HasField("expires_at")
    assert steps[0].occupied.start_time.ToDatetime(UTC) == at(-0.25)
    assert steps[2].reason == "ill"
    last = steps[2].request
    assert last.state == request_pb2.BookingRequest.CANCELLED
    assert (last.place.latitude, last.labels["a"], last.assignment_id) == (52.5, "b", "")
    assert seen[1].aggregate == held.id


async def test_a_request_of_another_tenant_is_not_listed(books):
    await books.request("mine")
    await books.request("theirs", write=key("CreateRequest", tenant="globex"))
    page = await books.reads.requests("globex", state=None, limit=10, after=None)
    assert [r.id for r in page.items] == ["theirs"]


async def test_events_are_encoded_as_their_json_says(books, ledger_database):
    """Field by field or by the general reader of JSON: the same bytes, whatever happened."""
    names = [
        await books.request(
            place=Place(-52.5, 13.25),
            labels={"b": "2", "a": "1"},
            required_skills=("x", "y"),
            resource_ids=("r1", "r2"),
            zone="north",
            party_size=3,
            customer_hash="c",
        ),
        await books.request(),
    ]
    held = [
        allocation_id(await books.hold("r1", "r2", request=names[0])),
        allocation_id(await books.hold("r1", at=slot(5), request=names[1], ttl=0.001)),
        allocation_id(await books.hold("r1", at=slot(9))),
    ]
    await books.confirm(held[0])
    await books.cancel(held[0])
    await books.confirm(held[1])
    await books.release(held[2])
    await books.cancel_request(names[1])
    with psycopg.connect(ledger_database.admin_url) as admin:
        admin.execute("SET timezone = 'Asia/Kathmandu'")
        rows = admin.execute("SELECT type, payload FROM assignment.outbox ORDER BY id").fetchall()
    assert len(rows) == 10
    for kind, payload in rows:
        message = getattr(events_pb2, kind.rpartition(".")[2])()
        said = json_format.ParseDict(payload, message).SerializeToString(deterministic=True)
        assert encode(kind, payload) == said


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_moments_are_counted_right(moment):
    aware = moment.replace(tzinfo=UTC)
    expected = Timestamp()
    expected.FromDatetime(aware)
    assert timestamp(aware) == expected
    elsewhere = aware.astimezone(timezone(timedelta(hours=5))) if 1 < aware.year < 9999 else aware
    assert timestamp(elsewhere) == expected
