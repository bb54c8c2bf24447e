"""What /metrics says of searches: how they were answered, how fast, how soon, and why not."""

import asyncio
import contextlib
import urllib.request
from datetime import UTC, datetime

import pytest
import redis.asyncio
from fairslot.availability.v1 import availability_pb2
from prometheus_client.parser import text_string_to_metric_families

from kit.testing import free_port
from services.availability.engine.blocks import SCHEMA
from services.availability.tests.calls import MORNING, caught_up, changed, rule, served, window

DAYS = 5


class Read:
    """One reading of a process's figures."""

    def __init__(self, text: str) -> None:
        """Takes the page."""
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """Sums what has the name and these labels; 0 where nothing was counted."""
        return sum(
            one.value
            for one in self._samples
            if one.name == name and labels.items() <= one.labels.items()
        )


@pytest.fixture
def start(own_database, servers, tokens, ledger):
    """Starts a process with figures; yields its callers and a reader of its /metrics."""

    @contextlib.asynccontextmanager
    async def start():
        address = f"127.0.0.1:{free_port()}"
        more = {
            "FAIRSLOT_AVAILABILITY_REDIS_URL": servers.redis_url,
            "FAIRSLOT_AVAILABILITY_REDIS_TIMEOUT_SECONDS": "5",
            "FAIRSLOT_AVAILABILITY_METRICS_ADDRESS": address,
        }

        def page() -> str:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
                return answer.read().decode()

        async def read() -> Read:
            return Read(await asyncio.to_thread(page))

        async with served(
            database=own_database, servers=servers, tokens=tokens, more=more
        ) as caller:
            yield caller, read

    return start


async def staffed(caller):
    ann = caller("figures")
    ann.seconds = 60.0
    await ann.service_type("visit", granularity={"seconds": 3600})
    await ann.person("ada", rule())
    return ann


@pytest.fixture
async def shared(servers):
    """The Redis of the tests, empty."""
    async with redis.asyncio.Redis.from_url(servers.redis_url) as client:
        await client.flushall()
        yield client


async def test_searches_are_counted_by_way_cache_distance_and_reason(
    start, own_database, ledger, shared
):
    async with start() as (caller, read):
        ann = await staffed(caller)
        await caught_up(own_database, await ledger.say(changed("x"), tenant="elsewhere"))
        assert (await read())("fairslot_searches_total") == 0
        for _ in range(4):
            assert (await ann.search(0, 8)).slots
        # At night nobody works, and what was long ago is over.
        assert not (await ann.search(-6, -4)).slots
        assert not (await ann.search(-24 * 3000, -24 * 2999)).slots
        figures = await read()
        away = (MORNING - datetime.now(UTC)).total_seconds()
        # The shared block outlives its process.
        async with asyncio.timeout(10):
            while not [key async for key in shared.scan_iter(f"av:figures:{SCHEMA}:2*")]:
                await asyncio.sleep(0.02)
    ways = {
        way: figures("fairslot_search_seconds_count", way=way) for way in ("cold", "warm", "cached")
    }
    assert ways == {"cold": 1.0, "warm": 5.0, "cached": 0.0}
    assert figures("fairslot_search_seconds_sum", way="cold") > 0
    hits, all_searches = (
        figures("fairslot_searches_total", cache="HIT"),
        figures("fairslot_searches_total"),
    )
    assert (hits, all_searches) == (5, 6)
    assert figures("fairslot_search_blocks_total", how="computed") == 1
    assert figures("fairslot_first_slot_seconds_count") == 4
    assert figures("fairslot_first_slot_seconds_sum") == pytest.approx(4 * away, abs=60)
    assert figures("fairslot_searches_empty_total", reason="OUTSIDE_HOURS") == 1
    assert figures("fairslot_searches_empty_total", reason="PAST") == 1
    async with start() as (caller, read):
        again = caller("figures")
        assert (await again.search(0, 8)).slots
        figures = await read()
    assert figures("fairslot_search_seconds_count", way="cached") == 1
    assert figures("fairslot_searches_total", cache="HIT") == 1
    assert figures("fairslot_search_blocks_total", how="computed") == 0


async def test_a_thousand_identical_questions_at_once_compute_each_block_once(start, shared):
    async with start() as (caller, read):
        ann = await staffed(caller)
        request = availability_pb2.SearchSlotMatrixRequest(
            query={"service_type_id": "visit", "window": window(-9, DAYS * 24 - 9)}
        )
        answers = await asyncio.gather(*(ann("SearchSlotMatrix", request) for _ in range(1_000)))
        figures = await read()
    assert len({tuple(answer.start_minutes) for answer in answers}) == 1
    assert len(answers[0].start_minutes) == DAYS * 7
    assert figures("fairslot_searches_total") == 1_000
    assert figures("fairslot_search_blocks_total", how="computed") == DAYS
    assert figures("fairslot_search_blocks_total", how="read") == 0
