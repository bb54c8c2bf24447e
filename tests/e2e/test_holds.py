"""Live holds are listed to all of their tenant, without the secret that confirms them."""

import pytest

from tests.e2e.callers import Tenant
from tests.e2e.shop import START, furnish


@pytest.fixture
def shop(tenant: Tenant) -> Tenant:
    furnish(tenant)
    return tenant


def held(shop: Tenant, hour: int):
    start = START.replace("T09", f"T{hour}")
    body = {"serviceTypeId": "visit", "resourceIds": ["r1"], "start": start}
    return shop.http("planner").made("/v1/holds", body)


def test_live_holds_are_listed_until_they_are_resolved(shop, new_tenant):
    first, second = held(shop, 11), held(shop, 13)
    viewer = shop.http("viewer")
    listed = viewer.get("/v1/holds").body["holds"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert all(one["token"] == "" and one["state"] == "HELD" for one in listed)
    assert {one["heldBy"] for one in listed} == {"planner"}
    assert [one["expiresAt"] for one in listed] == [first["expiresAt"], second["expiresAt"]]
    page = viewer.get("/v1/holds", pageSize=1).body
    rest = viewer.get("/v1/holds", pageSize=1, pageToken=page["nextPageToken"]).body
    assert [one["id"] for one in page["holds"] + rest["holds"]] == [first["id"], second["id"]]
    assert viewer.get("/v1/holds", resourceIds="nobody").body["holds"] == []
    shop.http("planner").delete(f"/v1/holds/{first['token']}")
    shop.http("planner").made(f"/v1/holds/{second['token']}:confirm", {})
    assert viewer.get("/v1/holds").body["holds"] == []
    held(shop, 15)
    assert new_tenant().http("admin").get("/v1/holds").body["holds"] == []
