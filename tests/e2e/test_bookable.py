"""What a quiet answer shows can be booked: each slot passes the check and commits in the ledger."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.e2e.callers import Http, Tenant
from tests.e2e.moments import told

WEEKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
BEGIN = (datetime.now(UTC) + timedelta(days=9)).replace(hour=0, minute=0, second=0, microsecond=0)
PLACES = [{"latitude": 52.5 + n / 10, "longitude": 13.4 - n / 10} for n in range(3)]
SAMPLE = 24


def furnish(admin: Http, random: Random) -> None:
    """Makes people who differ in everything that decides their time."""
    for name, anchor in (("visit", "MIDNIGHT"), ("shift", "WINDOW_START")):
        admin.made(
            "/v1/serviceTypes",
            {
                "id": name,
                "duration": "2700s",
                "granularity": "1500s",
                "gridAnchor": anchor,
                "bufferBefore": "600s",
                "bufferAfter": "900s",
                "minNotice": "3600s",
                "requiredSkills": ["gas"],
            },
        )
    for number, zone in enumerate(ZONES):
        name = f"r{number}"
        until = told(BEGIN + timedelta(days=2, hours=random.randint(0, 24)))
        skill = {"name": "gas", **({"validUntil": until} if number == 2 else {})}
        admin.made(
            "/v1/resources",
            {
                "id": name,
                "kind": "PERSON",
                "timeZone": zone,
                "skills": [skill],
                "priority": random.randint(0, 2),
                "home": random.choice(PLACES),
                "limits": {"perDay": random.choice([0, 2]), "perWeek": random.choice([0, 5])},
            },
        )
        start = random.randint(6, 20)
        rules = [
            {
                "days": WEEKDAYS,
                "start": {"hours": start},
                "end": {"hours": start + 10, "minutes": 30},
                "breaks": [{"start": {"hours": start + 4}, "end": {"hours": start + 5}}],
            }
        ]
        assert admin.put(f"/v1/resources/{name}/schedule", {"rules": rules}).status == 200
        busy = told(BEGIN + timedelta(hours=random.randint(0, 40)))
        over = told(datetime.fromisoformat(busy) + timedelta(minutes=50))
        events = [{"uid": "e", "sequence": 0, "interval": {"startTime": busy, "endTime": over}}]
        admin.made(f"/v1/resources/{name}/externalBusy", {"events": events})
    calendar = {"country": "US"}
    assert admin.put("/v1/resources/r1/holidayCalendar", calendar).status == 200


def search(planner: Http, kind: str, near: Any, token: str) -> list[dict[str, Any]]:
    """Asks who is free when, after everything that was written."""
    body = {
        "serviceTypeId": kind,
        "window": {"startTime": told(BEGIN), "endTime": told(BEGIN + timedelta(days=3))},
        "maxCandidatesPerSlot": 10,
        "pageSize": 500,
        "atLeastAsFresh": token,
        **({"near": near} if near else {}),
    }
    return list(planner.made("/v1/slots:search", body)["slots"])


@pytest.mark.parametrize("seed", range(2))
def test_every_slot_shown_commits(tenant: Tenant, seed: int) -> None:
    random, admin, planner = Random(seed), tenant.http(), tenant.http("planner")
    furnish(admin, random)
    token = ""
    for number in range(SAMPLE):
        kind, near = random.choice(["visit", "shift"]), random.choice([None, *PLACES])
        slots = search(planner, kind, near, token)
        assert slots, "a world in which nothing is free proves nothing"
        slot = random.choice(slots)
        chosen = random.choice(slot["candidates"])
        explained = planner.made(
            "/v1/slots:explain",
            {
                "resourceIds": [chosen],
                "serviceTypeId": kind,
                "slot": {"startTime": slot["start"]},
                "atLeastAsFresh": token,
                **({"place": near} if near else {}),
            },
        )
        assert explained["verdicts"][0]["free"], explained
        request = f"q{number}"
        wanted = {"id": request, "serviceTypeId": kind, **({"place": near} if near else {})}
        planner.made("/v1/requests", wanted)
        booked = book(planner, request, chosen, slot, token)
        token = booked["freshness"]
        if random.random() < 0.3:
            token = cancel(planner, booked)


def book(
    planner: Http, request: str, resource: str, slot: dict[str, Any], token: str
) -> dict[str, Any]:
    """Books a slot that was shown; it must be had."""
    wanted = {
        "bookingRequestId": request,
        "resourceIds": [resource],
        "start": slot["start"],
        "atLeastAsFresh": token,
    }
    booked = planner.post("/v1/assignments", wanted)
    assert booked.status == 200, (slot, resource, booked.raw)
    return dict(booked.body)


def cancel(planner: Http, booked: dict[str, Any]) -> str:
    """Gives a booking up again; gives the token of that."""
    etag = {"etag": booked["etag"]}
    return str(planner.made(f"/v1/assignments/{booked['id']}:cancel", etag)["freshness"])


def test_every_single_slot_of_one_answer_commits(tenant: Tenant) -> None:
    random, admin, planner = Random(7), tenant.http(), tenant.http("planner")
    furnish(admin, random)
    slots, token = search(planner, "visit", None, ""), ""
    assert len(slots) > 100
    for number, slot in enumerate(slots):
        request = f"q{number}"
        planner.made("/v1/requests", {"id": request, "serviceTypeId": "visit"})
        booked = book(planner, request, random.choice(slot["candidates"]), slot, token)
        # Given up at once, so that the next one meets the answer's own quiet.
        token = cancel(planner, booked)
    assert search(planner, "visit", None, token) == slots
