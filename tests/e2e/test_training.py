"""A training team: a topic, no window, ranked reasons, a hold, a booking, and a fair share."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from examples.world import World
from tests.e2e.callers import Tenant
from tests.e2e.moments import at, read, span, told


@pytest.fixture
def world(enter_world: Callable[[str], World]) -> World:
    return enter_world("training")


def request_for(tenant: Tenant, service: str, **more: object) -> str:
    name = f"q-{uuid.uuid4().hex[:8]}"
    tenant.http("planner").made("/v1/requests", {"id": name, "serviceTypeId": service, **more})
    return name


def test_a_request_without_a_window_may_be_served_within_30_days(
    tenant: Tenant, world: World
) -> None:
    planner = tenant.http("planner")
    begun = datetime.now(UTC)
    name = request_for(tenant, "python-day", partySize=12)
    stored = planner.get(f"/v1/requests/{name}").body
    start, end = (read(stored["window"][edge]) for edge in ("startTime", "endTime"))
    assert abs(start - begun) < timedelta(minutes=1, seconds=5)
    assert end - start == timedelta(days=30)
    assert stored["state"] == "OPEN"

    ranked = planner.made("/v1/candidates:rank", {"bookingRequestId": name, "limit": 10})
    assert 0 < len(ranked["candidates"]) <= 10
    teachers = {"ada", "bruno", "dana", "emil"}
    for candidate in ranked["candidates"]:
        assert set(candidate["resourceIds"]) <= teachers
        assert start <= read(candidate["start"]) < read(candidate["end"]) <= end
        assert 0 <= candidate["matchPercent"] <= 100
        assert candidate["explanation"]
        assert candidate["terms"]
    reasons = {row["resourceId"]: row["reasons"] for row in ranked["rejections"]}
    assert reasons["farah"] == ["NOT_QUALIFIED"]
    assert reasons["chidi"] == ["NOT_QUALIFIED"]
    assert ranked["optimality"] == "OPTIMAL"


def test_the_search_says_what_window_it_used(tenant: Tenant, world: World) -> None:
    found = tenant.http("viewer").made("/v1/slots:search", {"serviceTypeId": "python-day"})
    window = found["query"]["window"]
    # Slots begin on whole minutes, so the window may be shorter by a part of one.
    length = read(window["endTime"]) - read(window["startTime"])
    assert timedelta(days=30) - timedelta(minutes=1) <= length <= timedelta(days=30)
    assert found["slots"]
    assert found["slots"] == sorted(found["slots"], key=lambda slot: slot["start"])
    assert found["result"]


def test_the_main_job_ends_in_an_assignment_with_its_reason(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    name = request_for(tenant, "python-day")
    [best] = planner.made("/v1/candidates:rank", {"bookingRequestId": name, "limit": 1})[
        "candidates"
    ]
    hold = planner.made(
        "/v1/holds",
        {"bookingRequestId": name, "resourceIds": best["resourceIds"], "start": best["start"]},
    )
    assert (hold["resourceIds"], hold["start"], hold["end"]) == (
        best["resourceIds"],
        best["start"],
        best["end"],
    )
    assert 60 <= (read(hold["expiresAt"]) - datetime.now(UTC)).total_seconds() <= 120
    assert planner.get(f"/v1/requests/{name}").body["state"] == "HELD"
    assert planner.post(f"/v1/holds/{hold['token']}:validate").status == 200

    done = planner.made(f"/v1/holds/{hold['token']}:confirm", {})
    assert done["state"] == "ASSIGNED"
    assert done["resourceIds"] == best["resourceIds"]
    assert done["assignmentReason"]
    assert done["etag"]
    assert planner.get(f"/v1/assignments/{done['id']}").body["bookingRequestId"] == name
    request = planner.get(f"/v1/requests/{name}").body
    assert (request["state"], request["assignmentId"]) == ("ASSIGNED", done["id"])

    # Confirming twice returns the same assignment.
    again = planner.made(f"/v1/holds/{hold['token']}:confirm", {})
    assert (again["id"], again["state"]) == (done["id"], "ASSIGNED")


def test_the_time_is_gone_from_the_next_search(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    start = at(world, "week 1 WEDNESDAY 09:00")
    name = request_for(tenant, "kubernetes-day", window=span(start, 8 * 60))
    done = planner.made(
        "/v1/assignments",
        {
            "bookingRequestId": name,
            "resourceIds": ["emil"],
            "start": told(start),
            "reason": "he knows the customer",
        },
    )
    assert done["assignmentReason"] == "he knows the customer"
    found = planner.made(
        "/v1/slots:search",
        {
            "serviceTypeId": "kubernetes-day",
            "window": span(start, 8 * 60),
            "atLeastAsFresh": done["freshness"],
            "maxCandidatesPerSlot": 10,
        },
    )
    assert all("emil" not in slot["candidates"] for slot in found["slots"])
    explained = planner.made(
        "/v1/slots:explain",
        {
            "serviceTypeId": "kubernetes-day",
            "resourceIds": ["emil"],
            "slot": {"startTime": told(start)},
            "atLeastAsFresh": done["freshness"],
        },
    )
    [verdict] = explained["verdicts"]
    assert not verdict.get("free")
    assert [obstacle["code"] for obstacle in verdict["obstacles"]] == ["BUSY"]
    assert verdict["obstacles"][0]["blockingId"] == done["id"]


def test_work_is_shared_out_and_the_share_is_shown(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    window = span(at(world, "week 1 MONDAY 00:00"), 21 * 1440)
    freshness = ""
    for _ in range(6):
        name = request_for(tenant, "python-day", window=window)
        question = {"bookingRequestId": name, "limit": 1, "atLeastAsFresh": freshness}
        [choice] = planner.made("/v1/candidates:rank", question)["candidates"]
        freshness = planner.made(
            "/v1/assignments",
            {
                "bookingRequestId": name,
                "resourceIds": choice["resourceIds"],
                "start": choice["start"],
            },
        )["freshness"]
    months = {
        at(world, f"week {week} {day} 12:00").strftime("%Y-%m")
        for week in (1, 2, 3)
        for day in ("MONDAY", "FRIDAY")
    }
    committed = 0
    for month in months:
        report = planner.get("/v1/fairness", month=month).body
        assert report["tolerancePercent"] == 20
        rows = {row["resourceId"]: row for row in report["rows"]}
        assert set(rows) == {"ada", "bruno", "chidi", "dana", "emil", "farah"}
        committed += sum(row.get("committedDays", 0) for row in rows.values())
        # Six days among four people: nobody gets more than two.
        assert max(row.get("committedDays", 0) for row in rows.values()) <= 3
    assert committed == 6
