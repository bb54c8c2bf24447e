"""Answers of the service itself: the agreed hashes on the wire, and a second process that reads."""

import asyncio
import contextlib
from datetime import timedelta

import numpy as np
import pytest
import redis.asyncio
from fairslot.availability.v1 import availability_pb2, schedule_pb2
from google.protobuf.duration_pb2 import Duration
from google.type.interval_pb2 import Interval

from bench.workload import CELLS, WINDOW_START, WORKING_RANGES, answer_hash, workers
from services.availability.domain import moment_of
from services.availability.tests.calls import (
    caught_up,
    changed,
    minutes,
    rule,
    served,
    stamp,
)

CACHE = availability_pb2.SearchSlotsResponse.Cache
SHORT = [CELLS[0], CELLS[2]]


@pytest.fixture
def start(own_database, servers, tokens, ledger):
    """Starts another process of the service on the same servers."""

    @contextlib.asynccontextmanager
    async def start():
        more = {
            "FAIRSLOT_AVAILABILITY_REDIS_URL": servers.redis_url,
            "FAIRSLOT_AVAILABILITY_REDIS_TIMEOUT_SECONDS": "5",
        }
        async with served(
            database=own_database, servers=servers, tokens=tokens, more=more
        ) as caller:
            yield caller

    return start


async def fill(ann, cell):
    await ann.service_type("visit", buffer_before=minutes(15), buffer_after=minutes(15))
    team = list(workers(cell))
    hours = [rule(start=low // 60, end=high // 60, breaks=()) for low, high in WORKING_RANGES]
    for worker in team:
        await ann.resource(worker.id, time_zone=worker.time_zone)
        await ann.works(worker.id, *hours)
        events = [
            schedule_pb2.ExternalEvent(
                uid=str(number),
                interval=Interval(start_time=stamp(moment_of(a)), end_time=stamp(moment_of(b))),
            )
            for number, (a, b) in enumerate(worker.busy.tolist())
        ]
        await ann(
            "UpsertExternalBusy",
            schedule_pb2.UpsertExternalBusyRequest(resource_id=worker.id, events=events),
        )
    return [worker.id for worker in team]


def question(cell, **more):
    end = WINDOW_START + timedelta(days=cell.days)
    return availability_pb2.SearchSlotMatrixRequest(
        query=availability_pb2.SearchSlotsRequest(
            service_type_id="visit",
            window=Interval(start_time=stamp(WINDOW_START), end_time=stamp(end)),
            granularity=Duration(seconds=cell.granularity * 60),
            time_zone="UTC",
        ),
        **more,
    )


def hash_of(reply, names):
    number = {name: position for position, name in enumerate(names)}
    table = np.array([number[one] for one in reply.resource_ids])
    return answer_hash(
        np.array(reply.start_minutes),
        np.array(reply.capacities),
        table[np.array(reply.candidate_indexes)],
    )


@pytest.mark.parametrize("cell", SHORT, ids=lambda cell: cell.name)
async def test_the_agreed_hash_comes_over_the_wire_computed_kept_shared_and_paged(start, cell):
    async with start() as caller:
        ann = caller()
        names = await fill(ann, cell)
        first = await ann("SearchSlotMatrix", question(cell))
        again = await ann("SearchSlotMatrix", question(cell))
        assert hash_of(first, names) == hash_of(again, names) == cell.answer_hash
        assert (first.cache, again.cache) == (CACHE.MISS, CACHE.HIT)
        starts, token = [], ""
        while True:
            page = await ann("SearchSlotMatrix", question(cell, page_size=50, page_token=token))
            starts += page.start_minutes
            token = page.next_page_token
            if not token:
                break
        assert starts == list(first.start_minutes)


async def test_a_process_that_has_just_begun_answers_its_first_question_from_redis(
    start, own_database, ledger
):
    cell = CELLS[0]
    async with start() as caller:
        names = await fill(caller(), cell)
        # Until the copy of the ledger says where it stands, nobody can tell how fresh it is.
        await caught_up(own_database, await ledger.say(changed("x", resources=(names[0],))))
        expected = await caller()("SearchSlotMatrix", question(cell))
        async with asyncio.timeout(20):
            while True:
                async with start() as fresh:
                    reply = await fresh()("SearchSlotMatrix", question(cell))
                if reply.cache == CACHE.HIT:
                    break
    assert hash_of(reply, names) == hash_of(expected, names)
    # Told of what the process before it did not know, it reads the tenant instead.
    booked = expected.start_minutes[0]
    event = changed("y", resources=tuple(names), start=0)
    event.slot.CopyFrom(
        Interval(start_time=stamp(moment_of(booked)), end_time=stamp(moment_of(booked + 60)))
    )
    event.occupied.CopyFrom(event.slot)
    position = await ledger.say(event)
    async with start() as fresh:
        await caught_up(own_database, position)
        reply = await fresh()("SearchSlotMatrix", question(cell))
    assert booked not in list(reply.start_minutes)


async def test_what_is_asked_for_most_is_ready_before_a_process_serves(
    start, own_database, ledger, servers
):
    cell, tenant = CELLS[0], "ahead"
    async with redis.asyncio.Redis.from_url(servers.redis_url) as shared:
        await shared.flushall()
        async with start() as caller:
            names = await fill(caller(tenant), cell)
            await caught_up(own_database, await ledger.say(changed("x"), tenant="elsewhere"))
            expected = await caller(tenant)("SearchSlotMatrix", question(cell))
            async with asyncio.timeout(20):
                while not await shared.zscore("av-tenants", tenant):
                    await asyncio.sleep(0.05)
        async with start() as fresh:
            # Nothing can come from Redis any more, and the tenant itself was not read.
            await shared.flushall()
            reply = await fresh(tenant)("SearchSlotMatrix", question(cell))
            assert reply.cache == CACHE.HIT
            assert hash_of(reply, names) == hash_of(expected, names)
