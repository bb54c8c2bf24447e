"""Many search while bookings come in and Redis dies: no answer is stale, wrong or missing."""

from pathlib import Path

import pytest

from bench.availability.load import BOOKINGS_PER_SECOND, Tally, loaded
from bench.table import Bench


@pytest.fixture
def bench(servers, tokens, tmp_path: Path) -> Bench:
    return Bench(servers=servers, minter=tokens, home=tmp_path, say=print)


async def searched_in_trouble(bench: Bench, secret: str, seconds: float) -> Tally:
    tally = await loaded(bench, seconds=seconds, troubled=True, secret=secret)
    assert not tally.wrong, tally.wrong
    assert not tally.errors, tally.errors
    assert tally.bookings > seconds * BOOKINGS_PER_SECOND * 0.9
    # Every searcher got somewhere.
    assert len(tally.searched_seconds) > 64
    return tally


async def test_searchers_see_every_booking_while_redis_dies_and_forgets(bench, role_secret):
    await searched_in_trouble(bench, role_secret, 4.0)


@pytest.mark.soak
async def test_searchers_see_every_booking_for_a_long_time(bench, role_secret):
    for _ in range(6):
        await searched_in_trouble(bench, role_secret, 30.0)
