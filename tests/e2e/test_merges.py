"""Tables put together: shown in a search, ranked, committed whole, refused by the ledger itself."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.callers import Answer, Tenant
from tests.e2e.moments import read, span, told
from tests.e2e.shop import EVERY_DAY

START = (datetime.now(UTC) + timedelta(days=7)).replace(hour=18, minute=0, second=0, microsecond=0)
# Id, zone, movable, stands beside.
TABLES = (
    ("t1", "hall", True, ["t2"]),
    ("t2", "hall", True, ["t3"]),
    ("t3", "hall", True, []),
    ("t4", "hall", False, ["t3"]),
    ("t5", "yard", True, ["t1"]),
)


@pytest.fixture
def floor(tenant: Tenant) -> Tenant:
    admin = tenant.http()
    for name, policy in (("dinner", "MERGE_ALLOWED"), ("alone", "SINGLE_ONLY")):
        admin.made(
            "/v1/serviceTypes",
            {
                "id": name,
                "duration": "7200s",
                "granularity": "3600s",
                "mergePolicy": policy,
                "seatLossPerJoint": 1,
            },
        )
    for name, zone, movable, beside in TABLES:
        table = {
            "id": name,
            "kind": "TABLE",
            "capacityMax": 4,
            "zone": zone,
            "movable": movable,
            "adjacentResourceIds": beside,
        }
        admin.made("/v1/resources", table)
        rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
        assert admin.put(f"/v1/resources/{name}/schedule", rules).status == 200
    return tenant


def wanted(tenant: Tenant, name: str, party: int, service: str = "dinner") -> str:
    tenant.http("planner").made(
        "/v1/requests",
        {
            "id": name,
            "serviceTypeId": service,
            "partySize": party,
            "window": span(START, 2 * 60),
        },
    )
    return name


def assign(tenant: Tenant, request: str, tables: list[str]) -> Answer:
    body = {
        "bookingRequestId": request,
        "resourceIds": tables,
        "start": told(START),
        "reason": "theirs",
    }
    return tenant.http("planner").post("/v1/assignments", body)


def search(tenant: Tenant, party: int, service: str = "dinner", **more: Any) -> list[Any]:
    question = {
        "serviceTypeId": service,
        "partySize": party,
        "window": span(START, 2 * 60),
        **more,
    }
    return list(tenant.http("viewer").made("/v1/slots:search", question).get("slots", []))


def test_a_search_shows_what_only_several_can_serve(floor: Tenant) -> None:
    [slot] = search(floor, 4)
    assert (slot["capacity"], slot.get("mergeable", False)) == (5, False)
    [slot] = search(floor, 7)
    assert (slot.get("capacity", 0), slot["mergeable"]) == (0, True)
    assert slot.get("candidates", []) == []
    assert read(slot["end"]) - read(slot["start"]) == timedelta(hours=2)
    assert len(search(floor, 10)) == 1
    # A seat is lost at each joint: three tables of four seat ten.
    assert search(floor, 11) == []
    assert search(floor, 7, "alone") == []


def test_the_ranking_joins_neighbours_and_the_ledger_takes_them_whole(floor: Tenant) -> None:
    planner = floor.http("planner")
    name = wanted(floor, "q1", 7)
    ranked = planner.made("/v1/candidates:rank", {"bookingRequestId": name})
    plans = [one["resourceIds"] for one in ranked["candidates"]]
    assert sorted(map(sorted, plans)) == [["t1", "t2"], ["t2", "t3"]]
    assert ranked["optimality"] == "OPTIMAL"
    assert "together" in ranked["candidates"][0]["explanation"]
    left_out = {row["resourceId"]: row["reasons"] for row in ranked["rejections"]}
    assert left_out == {"t4": ["PARTY_TOO_LARGE"], "t5": ["PARTY_TOO_LARGE"]}

    # Nobody names a table: the best merge is held.
    hold = planner.made("/v1/holds", {"bookingRequestId": name, "start": told(START)})
    assert hold["resourceIds"] == plans[0]
    done = planner.made(f"/v1/holds/{hold['token']}:confirm", {"reason": "a round birthday"})
    assert done["resourceIds"] == plans[0]
    assert search(floor, 7, atLeastAsFresh=done["freshness"]) == []
    freed = planner.made(f"/v1/assignments/{done['id']}:cancel", {"etag": done["etag"]})
    assert len(search(floor, 7, atLeastAsFresh=freed["freshness"])) == 1


@pytest.mark.parametrize(
    ("tables", "party", "reason"),
    [
        (["t1", "t3"], 7, "NOT_ADJACENT"),
        (["t1", "t5"], 7, "ZONE_SPLIT"),
        (["t3", "t4"], 7, "NOT_MOVABLE"),
        (["t1", "t2"], 8, "PARTY_TOO_LARGE"),
        (["t1", "t2"], 7, ""),
        (["t3", "t2", "t1"], 10, ""),
    ],
)
def test_the_ledger_looks_at_the_whole_plan_itself(
    floor: Tenant, tables: list[str], party: int, reason: str
) -> None:
    answer = assign(floor, wanted(floor, "q1", party), tables)
    assert (answer.status, answer.reason if reason else "") == (400 if reason else 200, reason)


def test_two_merges_that_share_a_table_never_both_stand(floor: Tenant) -> None:
    pairs = {"q1": ["t1", "t2"], "q2": ["t2", "t3"]}
    for name in pairs:
        wanted(floor, name, 7)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: assign(floor, name, pairs[name]), pairs))
    assert sorted(answer.status for answer in answers) == [200, 409]
    [lost] = [name for name, answer in zip(pairs, answers, strict=True) if answer.status == 409]
    # Nothing of the loser's is left behind: its other table is free.
    [alone] = set(pairs[lost]) - {"t2"}
    assert assign(floor, wanted(floor, "q3", 4), [alone]).status == 200


def test_without_merges_a_plan_of_several_needs_no_neighbours(floor: Tenant) -> None:
    """Older data knows no adjacency: several that each take the party are taken as they are."""
    assert assign(floor, wanted(floor, "q1", 4, "alone"), ["t1", "t5"]).status == 200
    refused = assign(floor, wanted(floor, "q2", 7, "alone"), ["t2", "t3"])
    assert refused.reason == "PARTY_TOO_LARGE"


def test_a_batch_puts_tables_together_and_commits_them_whole(floor: Tenant) -> None:
    names = [wanted(floor, "q1", 7), wanted(floor, "q2", 7), wanted(floor, "q3", 4)]
    body = {"bookingRequestIds": names, "apply": True, "timeBudget": "2s"}
    said = floor.http("planner").post("/v1/batches:plan", body).lines
    items = {one["item"]["bookingRequestId"]: one["item"] for one in said if "item" in one}
    summary = said[-1]["summary"]
    assert (summary["assigned"], summary["servedBound"]) == (2, 2)
    # The small party sits alone, so that one of the large ones finds two tables.
    assert len(items["q3"]["candidate"]["resourceIds"]) == 1
    [large] = [one for name, one in items.items() if name != "q3" and "candidate" in one]
    assert len(large["candidate"]["resourceIds"]) == 2
    listed = floor.http("viewer").get("/v1/assignments").body["assignments"]
    booked = [name for one in listed for name in one["resourceIds"]]
    assert len(booked) == len(set(booked)) == 3
