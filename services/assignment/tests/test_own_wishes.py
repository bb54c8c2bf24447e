"""What a booking request itself asks for binds whoever assigns by hand, too."""

from __future__ import annotations

import psycopg

from services.assignment.tests.books import violations
from services.assignment.tests.calls import at, refused


async def test_who_is_not_on_the_requests_list_is_refused(ann, world, ledger_database):
    name = (await ann.want(resource_ids=["r1", "r2"])).id
    for work in (
        ann.assign(name, "r3", reason="by hand"),
        ann.hold("r3", booking_request_id=name),
        ann.assign(name, "r1", "r3", reason="both"),
    ):
        fault = await refused(work)
        assert fault.reason == "NOT_AVAILABLE"
        assert (fault.metadata["resource_id"], fault.metadata["obstacles"]) == ("r3", "NOT_NAMED")
    made = await ann.assign(name, "r2", reason="by hand")
    fault = await refused(ann.reassign(made.id, "r3"))
    assert fault.metadata["obstacles"] == "NOT_NAMED"
    assert list((await ann.reassign(made.id, "r1")).resource_ids) == ["r1"]
    assert violations(ledger_database.admin_url) == {}


async def test_who_belongs_to_another_zone_is_refused(ann, world, ledger_database):
    world.zones = {"r1": "north", "r2": "south"}
    name = (await ann.want(zone="north")).id
    for who in ("r2", "r3"):
        fault = await refused(ann.assign(name, who, reason="by hand"))
        assert (fault.reason, fault.metadata["obstacles"]) == ("NOT_AVAILABLE", "WRONG_ZONE")
        fault = await refused(ann.hold(who, booking_request_id=name, start=at(2)))
        assert fault.metadata["obstacles"] == "WRONG_ZONE"
    assert list((await ann.assign(name, "r1", reason="by hand")).resource_ids) == ["r1"]
    # Without a request nobody asks for a zone.
    assert list((await ann.hold("r2")).resource_ids) == ["r2"]


async def test_ones_own_hold_is_not_asked_about(ann, world):
    """What replaces it may take its time: availability is told to count that as free."""
    name = (await ann.want("q1")).id
    held = await ann.hold("r1", booking_request_id=name)
    made = await ann.assign(name, "r1", start=at(0.5), reason="a little later")
    assert world.ignored == held.id
    assert made.id != held.id


async def test_a_move_keeps_whose_it_is_and_where(ann, ledger_database):
    """Of a hold that no request asked for."""
    held = await ann.hold("r1", customer_hash="c1", party_size=3)
    made = await ann.confirm(held.token)
    moved = await ann.reassign(made.id, "r2", start=at(3))
    assert moved.party_size == 3
    with psycopg.connect(ledger_database.admin_url) as admin:
        kept = admin.execute(
            "SELECT customer_hash, party_size, place FROM assignment.allocation"
        ).fetchall()
    assert kept == [("c1", 3, None)]
    assert violations(ledger_database.admin_url) == {}
