"""A restaurant: the party decides which tables, and a full house is full."""

from collections.abc import Callable
from typing import Any

import pytest

from examples.world import World
from tests.e2e.callers import Tenant
from tests.e2e.moments import at, span, told

SITTING = 120


@pytest.fixture
def world(enter_world: Callable[[str], World]) -> World:
    return enter_world("restaurant")


def search(tenant: Tenant, world: World, party: int, **more: Any) -> list[dict[str, Any]]:
    question = {
        "serviceTypeId": "dinner",
        "window": span(at(world, "week 1 FRIDAY 19:00"), SITTING),
        "partySize": party,
        "maxCandidatesPerSlot": 20,
        **more,
    }
    slots: list[dict[str, Any]] = tenant.http("viewer").made("/v1/slots:search", question)["slots"]
    return slots


@pytest.mark.parametrize(
    ("party", "tables"),
    [
        (1, {"w1", "w2", "w3"}),
        (2, {"w1", "w2", "w3", "h1", "h2", "h3"}),
        (4, {"h1", "h2", "h3", "h4"}),
        (8, {"h4"}),
    ],
)
def test_the_party_decides_which_tables_come_up(
    tenant: Tenant, world: World, party: int, tables: set[str]
) -> None:
    [slot] = search(tenant, world, party)
    assert set(slot["candidates"]) == tables
    assert slot["capacity"] == len(tables)


def test_a_zone_narrows_it_down(tenant: Tenant, world: World) -> None:
    [slot] = search(tenant, world, 2, zone="window")
    assert set(slot["candidates"]) == {"w1", "w2", "w3"}


def test_a_party_too_large_for_any_table_is_told_so(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    [choir] = [step.of for step in world.requests if step.of.startswith("choir")]
    ranked = planner.made("/v1/candidates:rank", {"bookingRequestId": choir})
    assert not ranked.get("candidates")
    reasons = {row["resourceId"]: row["reasons"] for row in ranked["rejections"]}
    assert "PARTY_TOO_LARGE" in reasons["h4"]
    answer = planner.post(
        "/v1/holds",
        {
            "bookingRequestId": choir,
            "resourceIds": ["h4"],
            "start": told(at(world, "week 2 SUNDAY 18:00")),
        },
    )
    assert (answer.status, answer.reason) == (400, "PARTY_TOO_LARGE")


def test_a_full_house_is_full(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    start = told(at(world, "week 1 FRIDAY 19:00"))
    body = {"serviceTypeId": "dinner", "partySize": 4, "start": start}
    freshness, taken = "", []
    # No table named: any free one that seats four.
    for left in (3, 2, 1, 0):
        hold = planner.made(
            "/v1/holds", {"serviceTypeId": "dinner", "partySize": 4, "start": start}
        )
        taken += hold["resourceIds"]
        freshness = hold["freshness"]
        slots = search(tenant, world, 4, atLeastAsFresh=freshness)
        assert sum(slot["capacity"] for slot in slots) == left
    assert sorted(taken) == ["h1", "h2", "h3", "h4"]
    answer = planner.post("/v1/holds", body)
    assert answer.status in (400, 409)
    assert answer.reason in ("SLOT_TAKEN", "NO_CANDIDATE")
    # Tables for two are still there.
    [slot] = search(tenant, world, 2, atLeastAsFresh=freshness)
    assert set(slot["candidates"]) == {"w1", "w2", "w3"}


def test_a_lost_table_comes_with_others_that_are_really_free(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    start = at(world, "week 1 FRIDAY 19:00")
    body = {"serviceTypeId": "dinner", "partySize": 4, "start": told(start)}
    planner.made("/v1/holds", {**body, "resourceIds": ["h1"]})
    answer = planner.post("/v1/holds", {**body, "resourceIds": ["h1"]})
    assert (answer.status, answer.reason) == (409, "SLOT_TAKEN")
    assert answer.metadata["resource_id"] == "h1"
    others = answer.detail("Alternatives")["candidates"]
    assert 0 < len(others) <= 5
    for choice in others:
        assert (choice["resourceIds"], choice["start"]) != (["h1"], told(start))
        assert choice["explanation"]
    second = planner.post(
        "/v1/holds", {**body, "resourceIds": others[0]["resourceIds"], "start": others[0]["start"]}
    )
    assert second.status == 200, second.raw


def test_tables_close_when_their_hours_end(tenant: Tenant, world: World) -> None:
    slots = search(tenant, world, 2, window=span(at(world, "week 1 FRIDAY 22:00"), 360))
    assert [slot["start"] for slot in slots][-1] == told(at(world, "week 1 FRIDAY 23:00"))
    assert all("t1" not in slot["candidates"] for slot in slots)
