"""A write that found its time taken is an event like any other: once, with who has it and when."""

from __future__ import annotations

import asyncio

import psycopg
from fairslot.assignment.v1 import events_pb2

from services.assignment.senders import encode
from services.assignment.tests.books import allocation_id, key, reason, slot, violations

COLLIDED = events_pb2.WriteCollided.DESCRIPTOR.full_name


def collisions(admin_url: str) -> list[events_pb2.WriteCollided]:
    with psycopg.connect(admin_url) as admin:
        rows = admin.execute(
            "SELECT type, payload FROM assignment.outbox WHERE type = %s ORDER BY id", (COLLIDED,)
        ).fetchall()
    return [events_pb2.WriteCollided.FromString(encode(*row)) for row in rows]


async def test_who_collides_with_whom_is_told_once(books, ledger_database):
    request = await books.request()
    held = allocation_id(await books.hold("r1", request=request))
    write = key("Assign", actor="bob")
    for _ in range(3):
        assert reason(await books.assign("r1", "r2", at=slot(0.5), write=write)) == "SLOT_TAKEN"
    [told] = collisions(ledger_database.admin_url)
    assert (told.method, told.actor) == ("Assign", "bob")
    [taken] = told.taken
    assert (taken.resource_id, taken.assignment_id) == ("r1", held)
    assert (taken.booking_request_id, taken.taken_by) == (request, "ann")
    assert taken.state == events_pb2.AllocationChanged.HELD
    assert taken.slot.start_time.seconds == int(slot().start.timestamp())
    assert violations(ledger_database.admin_url) == {}


async def test_every_loser_of_a_race_is_told_of(books, ledger_database):
    outcomes = await asyncio.gather(*(books.hold("r1") for _ in range(16)))
    lost = [outcome for outcome in outcomes if outcome.refusal]
    told = collisions(ledger_database.admin_url)
    assert len(told) == len(lost) == 15
    [winner] = [allocation_id(outcome) for outcome in outcomes if outcome.allocation]
    assert {taken.assignment_id for one in told for taken in one.taken} == {winner}
    # Whoever is refused for another reason collided with nobody.
    assert reason(await books.cancel("nowhere")) == "NOT_FOUND"
    assert len(collisions(ledger_database.admin_url)) == 15
