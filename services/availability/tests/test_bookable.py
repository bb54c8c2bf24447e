"""Shown is bookable: every slot of a quiet answer, with every candidate, passes CheckPlan."""

from datetime import UTC, timedelta
from random import Random

import pytest
from fairslot.availability.v1 import availability_pb2, schedule_pb2
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

from kit import position
from services.availability.tests.calls import MORNING, at, changed, minutes, stamp, window

ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo")
EVERY_DAY = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
PLACES = [{"latitude": 52.5 + n / 10, "longitude": 13.4 - n / 10} for n in range(3)]
HOURS = 60


async def person(ann, random, number):
    """Makes somebody who differs from the others in everything that decides their time."""
    name = f"r{number}"
    until = {"valid_until": stamp(at(random.randint(10, HOURS)))} if number == 2 else {}
    await ann.resource(
        name,
        time_zone=ZONES[number],
        skills=[{"name": "gas", **until}],
        priority=random.randint(0, 2),
        capacity_max=random.choice([0, 4]),
        home=random.choice(PLACES),
        limits={"per_day": random.choice([0, 2]), "minutes_per_day": random.choice([0, 120])},
    )
    start = random.randint(0, 23)
    rule = schedule_pb2.WeeklyRule(
        days=EVERY_DAY,
        start=TimeOfDay(hours=start),
        end=TimeOfDay(hours=(start + 11) % 24, minutes=10),
    )
    await ann.works(name, rule)
    busy = Interval(start_time=stamp(at(random.randint(0, HOURS))))
    busy.end_time.CopyFrom(stamp(busy.start_time.ToDatetime(UTC) + timedelta(minutes=50)))
    event = schedule_pb2.ExternalEvent(uid="e", interval=busy)
    request = schedule_pb2.UpsertExternalBusyRequest(resource_id=name, events=[event])
    await ann("UpsertExternalBusy", request)


async def booked(ledger, random):
    """Lets the ledger say who is taken; gives the token of it."""
    events = [
        changed(
            f"a{number}",
            resources=(f"r{number % len(ZONES)}",),
            start=random.randint(0, 4 * HOURS) / 4,
            state=random.choice(["ASSIGNED", "HELD", "CANCELLED"]),
            buffer=0.25,
            expires_at=at(HOURS),
        )
        for number in range(12)
    ]
    return position.encode({"ledger": await ledger.say(*events), "catalog": 0})


@pytest.mark.parametrize("seed", range(2))
async def test_every_slot_shown_may_be_booked_with_every_candidate(ann, ledger, seed):
    random = Random(seed)
    for name, anchor in (("visit", "MIDNIGHT"), ("shift", "WINDOW_START")):
        await ann.service_type(
            name,
            length=45,
            granularity=minutes(25),
            grid_anchor=anchor,
            buffer_before=minutes(10),
            buffer_after=minutes(15),
            required_skills=["gas"],
        )
    for number in range(len(ZONES)):
        await person(ann, random, number)
    token = await booked(ledger, random)
    checked = 0
    for name, near, party in (
        ("visit", None, 0),
        ("shift", None, 2),
        ("visit", PLACES[1], 5),
    ):
        site = {} if near is None else {"near": near}
        query = availability_pb2.SearchSlotsRequest(
            service_type_id=name,
            window=window(0, HOURS),
            party_size=party,
            max_candidates_per_slot=100,
            page_size=1_000,
            at_least_as_fresh=token,
            **site,
        )
        answer = await ann("SearchSlots", query)
        assert answer.slots
        assert not answer.next_page_token
        for slot in answer.slots:
            assert len(slot.candidates) == slot.capacity
            hours = (slot.start.ToDatetime(UTC) - MORNING) / timedelta(hours=1)
            found = await ann.check(
                *slot.candidates,
                start=hours,
                service_type_id=name,
                party_size=party,
                **({} if near is None else {"place": near}),
            )
            assert all(one.free for one in found.verdicts), (slot, found)
            checked += len(found.verdicts)
    assert checked > 100
