"""Field service: only who can do it, only in working hours, with time between two visits."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from examples.world import World
from tests.e2e.callers import Answer, Tenant
from tests.e2e.moments import at, read, span, told


@pytest.fixture
def world(enter_world: Callable[[str], World]) -> World:
    return enter_world("fieldservice")


def hold(tenant: Tenant, service: str, resource: str, start: str) -> Answer:
    body = {"serviceTypeId": service, "resourceIds": [resource], "start": start, "alternatives": 0}
    return tenant.http("planner").post("/v1/holds", body)


def test_only_the_qualified_are_ranked_and_the_others_are_told_why(
    tenant: Tenant, world: World
) -> None:
    planner = tenant.http("planner")
    [job] = [step.of for step in world.requests if step.of.startswith("park-view")]
    ranked = planner.made("/v1/candidates:rank", {"bookingRequestId": job, "limit": 50})
    who = {resource for one in ranked["candidates"] for resource in one["resourceIds"]}
    assert who == {"tech-iris", "tech-kofi"}
    reasons = {row["resourceId"]: row["reasons"] for row in ranked["rejections"]}
    assert reasons["tech-jonas"] == ["NOT_QUALIFIED"]
    assert reasons["tech-lena"] == ["NOT_QUALIFIED"]


def test_every_candidate_lies_in_working_hours(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    [job] = [step.of for step in world.requests if step.of.startswith("lake-road")]
    ranked = planner.made("/v1/candidates:rank", {"bookingRequestId": job, "limit": 200})
    assert ranked["candidates"]
    window = span(at(world, "week 1 MONDAY 00:00"), 7 * 1440)
    for resource in {one["resourceIds"][0] for one in ranked["candidates"]}:
        schedule = planner.get(
            f"/v1/resources/{resource}/schedule",
            **{f"window.{edge}": moment for edge, moment in window.items()},
        ).body
        working = [(read(one["startTime"]), read(one["endTime"])) for one in schedule["working"]]
        for one in ranked["candidates"]:
            if one["resourceIds"] == [resource]:
                start, end = read(one["start"]), read(one["end"])
                assert any(begin <= start and end <= stop for begin, stop in working)


@pytest.mark.parametrize(
    ("resource", "when", "reason", "obstacle"),
    [
        ("tech-jonas", "week 1 MONDAY 06:00", "NOT_AVAILABLE", "OUTSIDE_HOURS"),
        ("tech-jonas", "week 1 MONDAY 12:00", "NOT_AVAILABLE", "BREAK"),
        ("tech-lena", "week 1 TUESDAY 14:00", "NOT_AVAILABLE", "TIME_OFF"),
        ("tech-kofi", "week 1 MONDAY 10:00", "NOT_QUALIFIED", "NOT_QUALIFIED"),
    ],
)
def test_a_hold_outside_the_rules_is_refused_and_says_which(
    tenant: Tenant, world: World, resource: str, when: str, reason: str, obstacle: str
) -> None:
    answer = hold(tenant, "boiler-visit", resource, told(at(world, when)))
    assert (answer.status, answer.reason) == (400, reason)
    assert obstacle in answer.raw.decode()


def test_two_visits_keep_the_time_to_drive(tenant: Tenant, world: World) -> None:
    eight = at(world, "week 1 MONDAY 08:00")
    first = hold(tenant, "boiler-visit", "tech-jonas", told(eight))
    assert first.status == 200
    # A visit of an hour, a quarter to leave, a quarter to arrive: the next one begins at 09:30.
    for minutes in (60, 75):
        again = hold(tenant, "boiler-visit", "tech-jonas", told(eight + timedelta(minutes=minutes)))
        assert (again.status, again.reason) == (409, "SLOT_TAKEN")
    found = tenant.http("viewer").made(
        "/v1/slots:search",
        {
            "serviceTypeId": "boiler-visit",
            "resourceIds": ["tech-jonas"],
            "window": span(eight, 8 * 60),
            "atLeastAsFresh": first.body["freshness"],
        },
    )
    starts = [read(slot["start"]) for slot in found["slots"]]
    assert starts[0] == eight + timedelta(minutes=90)


def test_a_late_shift_reaches_past_midnight(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    [job] = [step.of for step in world.requests if step.of.startswith("brewery")]
    ranked = planner.made("/v1/candidates:rank", {"bookingRequestId": job, "limit": 50})
    assert {one["resourceIds"][0] for one in ranked["candidates"]} == {"tech-lena"}
    latest = max(read(one["start"]) for one in ranked["candidates"])
    assert latest == at(world, "week 1 FRIDAY 25:00")
