"""Working time that changes under an assignment: it is flagged, told, and nothing is deleted."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.availability.v1 import events_pb2

from kit.bus import MESSAGE_ID, open_bus
from kit.event import Event
from services.assignment.domain import Risk
from services.assignment.tests.books import allocation_id, slot, violations
from services.assignment.tests.calls import at

REVISIONS = itertools.count(1)


class Telling:
    """Says what availability says when its catalog changed."""

    def __init__(self, bus) -> None:
        self.bus = bus

    async def __call__(self, kind: str, *resources: str, tenant: str = "acme") -> int:
        revision = next(REVISIONS)
        said = events_pb2.CatalogChanged(revision=revision, kind=kind, ids=resources)
        name = f"{said.DESCRIPTOR.full_name}.{tenant}"
        headers = {MESSAGE_ID: f"catalog-{id(self)}-{revision}"}
        [position] = await self.bus.publish([Event(name, said.SerializeToString(), headers)])
        assert position
        return revision


@pytest.fixture
async def telling(servers):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream("AVAILABILITY", ["fairslot.availability.v1.>"])
        yield Telling(bus)


async def flagged(ann, name: str, *, expected: bool):
    """Waits until an assignment is flagged, or is not any more."""
    async with asyncio.timeout(15):
        while True:
            found = await ann.get(name)
            if (pb.Assignment.AT_RISK in found.flags) == expected:
                return found
            await asyncio.sleep(0.02)


async def test_leave_flags_what_it_meets_and_its_end_unflags_it(
    ann, telling, world, ledger_database
):
    made = await ann.assign((await ann.want()).id, "r1", reason="fits")
    other = await ann.assign((await ann.want()).id, "r2", reason="fits")
    world.obstacles = {"r1": ("TIME_OFF", "BUSY"), "r2": ("BUSY",)}
    await telling("SCHEDULE_SAVED", "r1", "r2")
    found = await flagged(ann, made.id, expected=True)
    assert (found.state, found.start, list(found.resource_ids)) == (
        pb.Assignment.ASSIGNED,
        made.start,
        ["r1"],
    )
    # What the ledger itself took is no risk.
    assert [(risk.resource_id, risk.detail) for risk in found.risks] == [("r1", "TIME_OFF it is")]
    assert not (await ann.get(other.id)).flags
    listed = await ann("ListAssignments", pb.ListAssignmentsRequest(flag=pb.Assignment.AT_RISK))
    assert [one.id for one in listed.assignments] == [made.id]
    audit = await ann("ListAudit", pb.ListAuditRequest(assignment_id=made.id))
    assert [(e.actor, e.action) for e in audit.entries] == [("ann", "assign"), ("ledger", "flag")]
    assert audit.entries[1].reason == "TIME_OFF it is"
    world.obstacles = {}
    await telling("SCHEDULE_SAVED", "r1")
    assert not (await flagged(ann, made.id, expected=False)).risks
    assert violations(ledger_database.admin_url) == {}


async def test_an_outside_event_and_a_resource_that_is_gone(ann, telling, world, ledger_database):
    made = await ann.assign((await ann.want()).id, "r1", reason="fits")
    world.obstacles = {"r1": ("EXTERNAL_BUSY",)}
    await telling("EXTERNAL_BUSY_SAVED", "r1")
    await flagged(ann, made.id, expected=True)
    # Moving it elsewhere is what the flag asks for.
    moved = await ann.reassign(made.id, "r2", reason="r1 is busy elsewhere")
    assert not moved.flags
    world.obstacles = {}
    world.resources = ("r1", "r3")
    await telling("RESOURCE_DELETED", "r2")
    gone = await flagged(ann, made.id, expected=True)
    assert gone.risks[0].detail == "it no longer exists"
    assert violations(ledger_database.admin_url) == {}


async def test_a_change_of_the_tenant_is_looked_at_for_everybody(ann, telling, world):
    made = await ann.assign((await ann.want()).id, "r3", reason="fits")
    world.obstacles = {"r3": ("HOLIDAY",)}
    await telling("TENANT_SAVED")
    await flagged(ann, made.id, expected=True)


async def test_what_is_placed_while_leave_comes_in_is_flagged_or_checked_again(
    ann, telling, world, ledger_database
):
    """Either the assignment is there when the leave is looked at, or it is checked after it."""
    for number in range(8):
        resource = f"r{number}"
        world.resources = (*world.resources, resource)
        world.obstacles = {}
        name = (await ann.want()).id

        async def leaves(resource: str = resource) -> None:
            world.obstacles = {resource: ("TIME_OFF",)}
            await telling("SCHEDULE_SAVED", resource)

        made, _ = await asyncio.gather(
            ann.assign(name, resource, start=at(3 * number), reason="fits"),
            leaves(),
            return_exceptions=True,
        )
        if isinstance(made, BaseException):
            assert made.reason == "NOT_AVAILABLE"
        else:
            await flagged(ann, made.id, expected=True)
    assert violations(ledger_database.admin_url) == {}


async def test_a_hold_that_is_flagged_is_confirmed_with_its_flag(books, ledger_database):
    held = await books.hold("r1")
    risk = Risk("r1", "TIME_OFF", "leave-1", "on leave")
    assert await books.moves.flag("acme", held.allocation, [risk], reason="on leave")
    # Said again it changes nothing; said of an older state it is to be looked at again.
    assert not await books.moves.flag("acme", held.allocation, [], reason="nothing")
    made = await books.confirm(allocation_id(held))
    assert (made.allocation.risks, made.allocation.version) == ((risk,), 3)
    to_come = await books.moves.to_come("acme", ["r1"], limit=10, after=None)
    assert [one.allocation.id for one in to_come] == [allocation_id(held)]
    assert await books.moves.to_come("acme", ["r1"], limit=10, after=to_come[0]) == []
    assert (await books.reassign(allocation_id(held), "r2", at=slot(1))).allocation.risks == ()
    assert violations(ledger_database.admin_url) == {}
