"""Fixtures of the ledger's tests: a fresh database, and the ledger on it."""

from __future__ import annotations

import pytest

from services.assignment.tests.books import open_books

RACERS = 32


@pytest.fixture
def ledger_database(database):
    return database("assignment")


@pytest.fixture
async def books(ledger_database):
    async with open_books(ledger_database.url, size=RACERS) as opened:
        yield opened
