"""Fixtures of the tests of a whole stack: each test has a tenant of its own."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from client import open_channel
from examples.load import load
from examples.world import World, read
from tests.e2e.callers import Tenant


@pytest.fixture
def new_tenant(stack: Any) -> Callable[[], Tenant]:
    """Makes tenants that nobody has used before, on this stack or one that runs already."""

    def make() -> Tenant:
        name = f"e2e-{uuid.uuid4().hex[:12]}"
        return Tenant(name, stack.gateway, stack.minter.mint, stack.database_url)

    return make


@pytest.fixture
def tenant(new_tenant: Callable[[], Tenant]) -> Tenant:
    return new_tenant()


@pytest.fixture
async def channel(stack: Any) -> AsyncIterator[grpc.aio.Channel]:
    """One connection to the gateway."""
    async with open_channel(stack.gateway) as opened:
        yield opened


@pytest.fixture
def enter_world(tenant: Tenant) -> Callable[[str], World]:
    """Loads an example world into the tenant."""

    def enter(name: str) -> World:
        world = read(name, datetime.now(UTC))

        async def fill() -> None:
            async with open_channel(tenant.gateway) as channel:
                await load(tenant.grpc(channel), world, lambda _: None)

        asyncio.run(fill())
        return world

    return enter


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that PostgreSQL's own user may pass through, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="fairslot-demo-") as name:
        yield Path(name)
