"""What a tenant's flags switch, on a running stack: merging, and the policy that decides."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.callers import Tenant
from tests.e2e.moments import span, told
from tests.e2e.shop import EVERY_DAY

START = (datetime.now(UTC) + timedelta(days=7)).replace(hour=18, minute=0, second=0, microsecond=0)
# What holds for all other tenants, as without a file.
DEFAULTS = {"merging": True, "policy": ""}
Switch = Callable[[str, Any], None]


@pytest.fixture
def switch(stack: Any, tenant: Tenant) -> Switch:
    """Sets one flag of this tenant; those of others stay as they are."""

    def set_flag(name: str, value: Any) -> None:
        path = stack.flags_file
        flags = json.loads(path.read_text()) if path.exists() else {}
        flag = flags.setdefault(name, {"default": DEFAULTS[name], "tenants": {}})
        flag["tenants"][tenant.name] = value
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(flags))
        beside.rename(path)

    return set_flag


@pytest.fixture
def floor(tenant: Tenant) -> Tenant:
    admin = tenant.http()
    dinner = {"id": "dinner", "duration": "7200s", "granularity": "3600s"}
    admin.made("/v1/serviceTypes", dinner | {"mergePolicy": "MERGE_ALLOWED"})
    # The first two are from before anybody wrote down what stands beside what.
    for name, beside in (("t1", []), ("t2", []), ("t3", ["t4"]), ("t4", ["t3"])):
        table = {
            "id": name,
            "kind": "TABLE",
            "capacityMax": 4,
            "zone": "hall",
            "movable": bool(beside),
            "adjacentResourceIds": beside,
        }
        admin.made("/v1/resources", table)
        rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
        assert admin.put(f"/v1/resources/{name}/schedule", rules).status == 200
    return tenant


def wanted(tenant: Tenant, name: str, party: int) -> str:
    tenant.http("planner").made(
        "/v1/requests",
        {
            "id": name,
            "serviceTypeId": "dinner",
            "partySize": party,
            "window": span(START, 2 * 60),
        },
    )
    return name


def ranked(tenant: Tenant, request: str) -> list[list[str]]:
    body = {"bookingRequestId": request, "limit": 50}
    answer = tenant.http("planner").made("/v1/candidates:rank", body)
    return [one["resourceIds"] for one in answer.get("candidates", [])]


def mergeable(tenant: Tenant, party: int) -> bool:
    question = {"serviceTypeId": "dinner", "partySize": party, "window": span(START, 2 * 60)}
    slots = tenant.http("viewer").made("/v1/slots:search", question).get("slots", [])
    return any(slot.get("mergeable", False) for slot in slots)


def test_without_merging_nothing_is_put_together_and_older_data_works_on(
    floor: Tenant, switch: Switch
) -> None:
    planner = floor.http("planner")
    large, small = wanted(floor, "large", 7), wanted(floor, "small", 4)
    assert mergeable(floor, 7)
    assert ranked(floor, large) == [["t3", "t4"]]
    switch("merging", False)
    assert not mergeable(floor, 7)
    assert ranked(floor, large) == []
    said = planner.post("/v1/batches:plan", {"bookingRequestIds": [large]}).lines
    assert said[-1]["summary"].get("served", 0) == 0
    # Whoever serves alone does as before, neighbours or not.
    assert {tuple(one) for one in ranked(floor, small)} == {("t1",), ("t2",), ("t3",), ("t4",)}
    hold = planner.made("/v1/holds", {"bookingRequestId": small, "start": told(START)})
    made = planner.made(f"/v1/holds/{hold['token']}:confirm", {"reason": "as always"})
    assert made["resourceIds"] == hold["resourceIds"] == ["t1"]
    # Tables that nobody says stand beside each other are taken together, as they used to be.
    pair = {
        "bookingRequestId": wanted(floor, "pair", 4),
        "resourceIds": ["t2", "t3"],
        "start": told(START),
        "reason": "as always",
    }
    assert planner.made("/v1/assignments", pair)["resourceIds"] == ["t2", "t3"]


def test_merging_can_be_switched_on_again(floor: Tenant, switch: Switch) -> None:
    large = wanted(floor, "large", 7)
    switch("merging", False)
    assert ranked(floor, large) == []
    switch("merging", True)
    assert ranked(floor, large) == [["t3", "t4"]]


def test_the_tenants_flag_says_which_policy_decides(floor: Tenant, switch: Switch) -> None:
    def deciding() -> tuple[str, str]:
        planner = floor.http("planner")
        answer = planner.made("/v1/candidates:rank", {"request": {"serviceTypeId": "dinner"}})
        return answer["policy"], planner.get("/v1/policies").body["deciding"]

    assert deciding() == ("v2", "v2")
    switch("policy", "v1")
    assert deciding() == ("v1", "v1")
    # A flag that names none that there is does not count.
    switch("policy", "v9")
    assert deciding() == ("v2", "v2")
