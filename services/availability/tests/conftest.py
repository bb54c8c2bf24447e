"""Fixtures of availability's tests: a fresh database, a ledger's stream, and the service itself."""

import pytest

from services.availability.tests.calls import ledger_at, rule, served


@pytest.fixture
def own_database(database):
    return database("availability")


@pytest.fixture
async def ledger(servers):
    async with ledger_at(servers) as found:
        yield found


@pytest.fixture
async def caller(own_database, servers, tokens, ledger):
    """A function from tenant and roles to a caller of availability."""
    async with served(database=own_database, servers=servers, tokens=tokens) as found:
        yield found


@pytest.fixture
def ann(caller):
    return caller()


@pytest.fixture
async def team(ann):
    """Ada and Bo work weekdays from 9 to 17 with a break at noon; visits take an hour."""
    await ann.service_type("visit", granularity={"seconds": 3600})
    await ann.person("ada", rule(), display_name="Ada", priority=2)
    await ann.person("bo", rule(), display_name="Bo", priority=1)
    return ann
