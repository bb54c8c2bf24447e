"""A training team's acceptance stories: no window, two planners, drift, reassigning, cancelling."""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fairslot.gateway.v1.planner_pb2 import Change

from client import open_channel
from examples.world import World
from tests.e2e.callers import Tenant
from tests.e2e.moments import at, read, span

# Long enough for a busy machine; a change that never comes fails the test.
WAITED_SECONDS = 30.0
DAY_MINUTES = 1440


@pytest.fixture
def world(enter_world: Callable[[str], World]) -> World:
    return enter_world("training")


def wanted(tenant: Tenant, **more: object) -> str:
    name = f"q-{uuid.uuid4().hex[:8]}"
    body = {"id": name, "serviceTypeId": "python-day", **more}
    tenant.http("planner").made("/v1/requests", body)
    return name


def fairness(tenant: Tenant, month: str, freshness: str = "") -> dict[str, dict[str, Any]]:
    report = tenant.http("planner").get("/v1/fairness", month=month, atLeastAsFresh=freshness)
    return {row["resourceId"]: row for row in report.body["rows"]}


def given(rows: dict[str, dict[str, Any]], name: str) -> int:
    return int(rows[name].get("committedDays", 0)) + int(rows[name].get("deliveredDays", 0))


def mornings_of(tenant: Tenant, world: World, resource: str) -> list[str]:
    """Gives one start per day at which somebody can teach, in the weeks to come."""
    found = tenant.http("planner").made(
        "/v1/slots:search",
        {
            "serviceTypeId": "python-day",
            "resourceIds": [resource],
            "window": span(at(world, "week 1 MONDAY 00:00"), 28 * DAY_MINUTES),
            "pageSize": 1000,
        },
    )
    days: dict[str, str] = {}
    for slot in found["slots"]:
        days.setdefault(slot["start"][:10], slot["start"])
    return list(days.values())


def test_without_a_window_thirty_days_are_meant(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    stored = planner.get(f"/v1/requests/{wanted(tenant)}").body["window"]
    assert read(stored["endTime"]) - read(stored["startTime"]) == timedelta(days=30)
    ranked = planner.made("/v1/candidates:rank", {"request": {"serviceTypeId": "python-day"}})
    starts = [read(one["start"]) for one in ranked["candidates"]]
    assert starts
    assert max(starts) - min(starts) < timedelta(days=30)


def test_two_planners_assign_the_same_slot(tenant: Tenant, world: World) -> None:
    start = mornings_of(tenant, world, "ada")[0]
    window = span(read(start) - timedelta(days=1), 5 * DAY_MINUTES)
    names = [wanted(tenant, window=window) for _ in range(2)]

    def assign(name: str) -> Any:
        body = {"bookingRequestId": name, "resourceIds": ["ada"], "start": start, "reason": "mine"}
        return tenant.http("planner").post("/v1/assignments", body)

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(assign, names))
    assert sorted(reply.status for reply in replies) == [200, 409]
    [lost] = [reply for reply in replies if reply.status == 409]
    assert lost.reason == "SLOT_TAKEN"
    # Whoever lost is told what else could be had.
    others = lost.detail("Alternatives")["candidates"]
    assert others
    assert all((one["resourceIds"], one["start"]) != (["ada"], start) for one in others)
    listed = tenant.http("planner").get("/v1/assignments", resourceIds="ada").body["assignments"]
    assert len(listed) == 1


def test_reassigning_and_cancelling_free_the_slot_and_move_the_credit(
    tenant: Tenant, world: World
) -> None:
    planner = tenant.http("planner")
    start, day, other = shared_morning(tenant, world)
    month = local_month(world, start)
    name = wanted(tenant, window=span(read(start) - timedelta(days=1), 3 * DAY_MINUTES))
    made = planner.made(
        "/v1/assignments",
        {"bookingRequestId": name, "resourceIds": ["ada"], "start": start, "reason": "first"},
    )
    assert given(fairness(tenant, month), "ada") == 1
    assert "ada" not in free(tenant, day, made["freshness"])

    moved = planner.made(
        f"/v1/assignments/{made['id']}:reassign",
        {"resourceIds": [other], "start": start, "etag": made["etag"], "reason": "ada is ill"},
    )
    rows = fairness(tenant, month)
    assert (given(rows, "ada"), given(rows, other)) == (0, 1)
    assert "ada" in free(tenant, day, moved["freshness"])
    assert other not in free(tenant, day, moved["freshness"])

    gone = planner.made(
        f"/v1/assignments/{moved['id']}:cancel",
        {"etag": moved["etag"], "reason": "the customer called"},
    )
    assert given(fairness(tenant, month), other) == 0
    assert {"ada", other} <= free(tenant, day, gone["freshness"])
    assert planner.get(f"/v1/requests/{name}").body["state"] == "OPEN"


def test_drift_past_the_tolerance_is_noticed(tenant: Tenant, world: World) -> None:
    starts = mornings_of(tenant, world, "ada")
    month = local_month(world, starts[0])
    starts = [start for start in starts if local_month(world, start) == month][:3]
    change = asyncio.run(watched(tenant, lambda: give_all(tenant, starts)))
    row = fairness(tenant, month)["ada"]
    assert not row.get("withinTolerance", False)
    assert row["gap"] > 0
    assert change.kind == Change.DRIFTED
    assert change.id == f"{month}/ada"
    assert not change.payload["withinTolerance"]
    assert "outside the tolerance of 20 %" in change.payload["sentence"]


def give_all(tenant: Tenant, starts: list[str]) -> None:
    """Books one person alone, whatever would be fair."""
    planner, freshness = tenant.http("planner"), ""
    for start in starts:
        name = wanted(tenant, window=span(read(start) - timedelta(days=1), 3 * DAY_MINUTES))
        ranked = planner.made(
            "/v1/candidates:rank",
            {
                "bookingRequestId": name,
                "resourceIds": ["ada"],
                "slot": {"startTime": start},
                "atLeastAsFresh": freshness,
            },
        )
        # What the assignment would do to the gap is said before it is made.
        assert "Fairness:" in ranked["candidates"][0]["explanation"]
        freshness = planner.made(
            "/v1/assignments",
            {"bookingRequestId": name, "resourceIds": ["ada"], "start": start, "reason": "ada"},
        )["freshness"]


async def watched(tenant: Tenant, work: Callable[[], None]) -> Change:
    """Watches fairness while something is done; gives the first change about ada."""
    async with asyncio.timeout(WAITED_SECONDS), open_channel(tenant.gateway) as channel:
        done: asyncio.Task[None] | None = None
        async for change in tenant.grpc(channel, "planner").watch(["fairness"], heartbeats=True):
            if done is None:
                done = asyncio.create_task(asyncio.to_thread(work))
            if change.id.endswith("/ada"):
                await done
                return change
    raise AssertionError("the feed ended")


def local_month(world: World, start: str) -> str:
    return f"{read(start).astimezone(ZoneInfo(world.tenant.time_zone)):%Y-%m}"


def shared_morning(tenant: Tenant, world: World) -> tuple[str, dict[str, Any], str]:
    """Gives a start at which ada can teach, its day, and somebody else who can then."""
    for start in mornings_of(tenant, world, "ada"):
        day = span(read(start), 8 * 60)
        others = free(tenant, day, "") - {"ada"}
        if others:
            return start, day, min(others)
    raise AssertionError("ada is always alone")


def free(tenant: Tenant, window: dict[str, Any], freshness: str) -> set[str]:
    """Gives who could teach at the start of a window."""
    found = tenant.http("planner").made(
        "/v1/slots:search",
        {
            "serviceTypeId": "python-day",
            "window": window,
            "atLeastAsFresh": freshness,
            "maxCandidatesPerSlot": 10,
        },
    )
    names: set[str] = set()
    for slot in found["slots"]:
        names |= set(slot["candidates"])
    return names
