"""A booking request that was just created is placed without being read again, and as it stands."""

from __future__ import annotations

import psycopg
import pytest
from fairslot.assignment.v1 import request_pb2

from services.assignment.tests.calls import at, refused, served
from services.assignment.tests.foreign import foreign_parties


@pytest.fixture
async def bob(ledger_database, servers, tokens, world):
    """Bob calls another process of assignment."""
    async with (
        foreign_parties(world) as address,
        served(database=ledger_database, servers=servers, tokens=tokens, foreign=address) as found,
    ):
        yield found(sub="bob")


async def test_it_is_placed_in_one_round_trip(ann, ledger_database):
    made = await ann.want()
    other = await ann.want()
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        reading = "EXECUTE ON FUNCTION assignment.find_request(text, text)"
        admin.execute(f"REVOKE {reading} FROM PUBLIC, fairslot_assignment".encode())
    assigned = await ann.assign(made.id, "r1")
    assert assigned.booking_request_id == made.id
    assert (await ann.hold(start=at(4), booking_request_id=other.id)).booking_request_id == other.id


async def test_an_edit_by_another_process_counts(ann, bob, world):
    world.service_types = ("visit", "long")
    made = await ann.want()
    await bob.update(["service_type_id"], id=made.id, service_type_id="long")
    assert (await ann.assign(made.id, "r1")).service_type_id == "long"


async def test_a_hold_by_another_process_is_in_nobodys_way(ann, bob, world):
    made = await ann.want()
    held = await bob.hold("r1", booking_request_id=made.id)
    # Such as a way that is too long from where the hold is.
    world.obstacles = {"r1": ("TRAVEL",)}
    await refused(ann.assign(made.id, "r1"))
    assert world.ignored == held.id


async def test_a_refusal_counts_if_nothing_was_edited(ann, world):
    world.obstacles = {"r1": ("TIME_OFF",)}
    made = await ann.want()
    fault = await refused(ann.assign(made.id, "r1"))
    assert fault.reason == "NOT_AVAILABLE"
    assert world.checks == 1


async def test_one_cancelled_elsewhere_is_not_placed(ann, bob):
    made = await ann.want()
    await bob("CancelRequest", request_pb2.CancelRequestRequest(id=made.id, reason="no more"))
    fault = await refused(ann.assign(made.id, "r1"))
    assert fault.reason == "REQUEST_NOT_OPEN"
