"""Fixtures of those who watch: a feed that is empty and new, and a token that may read it."""

import pytest
import pytest_asyncio

from gateway.tests.feeds import new_feed
from kit.bus import open_bus


@pytest_asyncio.fixture
async def bus(servers):
    async with open_bus(servers.nats_url, name="test") as opened:
        await new_feed(opened)
        yield opened


@pytest.fixture
def token(tokens):
    return tokens.mint("acme", ["viewer"])
