"""Fixtures of matching's tests: one database that all share, and a team of trainers; each test has
a tenant of its own.
"""

import asyncio
from dataclasses import dataclass

import grpc
import pytest

from deploy.local.database import create_database, drop_database, urls_of
from services.matching.tests.trainers import Team


@dataclass(frozen=True)
class Kept:
    """Where a service under test keeps what it keeps, and listens."""

    url: str
    worker_url: str
    nats_url: str
    # Sees every tenant, and may set rows back in time.
    admin_url: str


@pytest.fixture(scope="session")
def kept(servers, role_secret, templates):
    name = "fairslot_test_matching"
    drop_database(servers.database_url, name)
    url = create_database(servers.database_url, name, template=templates("matching"))
    urls = urls_of("matching", admin_url=url, secret=role_secret)
    yield Kept(urls.app, urls.worker, servers.nats_url, url)
    drop_database(servers.database_url, name)


@pytest.fixture
async def team(stack):
    names = ("availability", "assignment", "matching")
    channels = [grpc.aio.insecure_channel(stack.grpc[name]) for name in names]
    made = Team(stack, channels)
    await made.settle()
    yield made
    await asyncio.gather(*(channel.close() for channel in channels))
