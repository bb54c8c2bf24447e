"""Fixtures of the ledger's tests: a fresh database, the ledger on it, and assignment as served."""

from __future__ import annotations

import pytest

from services.assignment.tests.books import open_books
from services.assignment.tests.calls import served
from services.assignment.tests.foreign import World, foreign_parties

RACERS = 32


@pytest.fixture
def ledger_database(database):
    return database("assignment")


@pytest.fixture
async def books(ledger_database):
    async with open_books(ledger_database.url, size=RACERS) as opened:
        yield opened


@pytest.fixture
def world():
    return World()


@pytest.fixture
async def caller(ledger_database, servers, tokens, world):
    """A function from tenant and roles to a caller of assignment, which runs beside two others."""
    async with (
        foreign_parties(world) as address,
        served(database=ledger_database, servers=servers, tokens=tokens, foreign=address) as found,
    ):
        yield found


@pytest.fixture
def ann(caller):
    return caller()
