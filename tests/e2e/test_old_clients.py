"""Old clients get the list they know, with the names they know, through the same door."""

import time
from datetime import date, timedelta
from typing import Any

from tests.e2e.callers import Http, Tenant
from tests.e2e.shop import START, furnish

DAY = START[:10]
WAIT_SECONDS = 10.0


def listed_with_the_booking(caller: Http) -> list[dict[str, Any]]:
    """Reads the list until it shows the booking: old clients have no token to wait with."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        answer = caller.get("/availability", date=DAY, service_id="visit")
        assert answer.status == 200, answer.raw
        listed: list[dict[str, Any]] = answer.body
        if not all(one["is_free"] for one in listed) or time.monotonic() > until:
            return listed
        time.sleep(0.05)


def test_the_list_of_a_day_is_bare_and_has_its_old_names(tenant: Tenant) -> None:
    furnish(tenant)
    viewer = tenant.http("viewer")
    listed = listed_with_the_booking(viewer)
    assert isinstance(listed, list)
    assert len(listed) == 24
    assert all(set(one) == {"start", "end", "is_free", "mechanic_id"} for one in listed)
    # The one assignment of the day is the only start that is not free.
    taken = [one["start"] for one in listed if one["is_free"] is False]
    assert taken == [f"{DAY}T09:00:00Z"]
    assert listed[10] == {
        "start": f"{DAY}T10:00:00Z",
        "end": f"{DAY}T11:00:00Z",
        "is_free": True,
        "mechanic_id": "r1",
    }
    assert len(viewer.get("/availability", date=DAY).body) == 24


def test_a_day_without_any_start_is_an_empty_list(tenant: Tenant) -> None:
    answer = tenant.http("viewer").get("/availability", date=DAY)
    assert (answer.status, answer.body) == (200, [])


def test_seeding_answers_and_changes_nothing(tenant: Tenant) -> None:
    furnish(tenant)
    planner = tenant.http("planner")
    before = listed_with_the_booking(planner)
    last = (date.fromisoformat(DAY) + timedelta(days=2)).isoformat()
    seeded = planner.post("/availability/seed", {"start_date": DAY, "end_date": last})
    assert (seeded.status, seeded.body) == (200, {"days": 3, "slots": 71})
    assert planner.get("/availability", date=DAY, service_id="visit").body == before


def test_old_calls_keep_the_rules_of_the_door(tenant: Tenant) -> None:
    furnish(tenant)
    assert Http(tenant.gateway, None).get("/availability", date=DAY).status == 401
    bad = tenant.http("viewer").get("/availability", date="soon")
    assert (bad.status, bad.reason) == (400, "INVALID_ARGUMENT")
    unknown = tenant.http("viewer").get("/availability", date=DAY, service_id="no")
    assert (unknown.status, unknown.reason) == (404, "NOT_FOUND")
    seed = tenant.http("viewer").post("/availability/seed", {"start_date": DAY})
    assert seed.status == 403
