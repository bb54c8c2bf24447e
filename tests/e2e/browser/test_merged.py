"""Tables put together are moved as a whole, to another time or place, or kindly not at all."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser.desk import Desk
from tests.e2e.browser.site import HOURS, Site, next_monday
from tests.e2e.moments import span, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Four stand in a row, the fifth is in the yard.
TABLES = {"t1": ["t2"], "t2": ["t3"], "t3": ["t4"], "t4": [], "t5": []}
PARTY = 7


def set_up(tenant) -> Site:
    """Makes a hall whose tables seat four each, and seats a party of seven at two of them."""
    site, admin = Site(tenant, next_monday()), tenant.http("admin")
    admin.put("/v1/tenant", {"displayName": "The Hall", "timeZone": "Europe/Berlin"})
    dinner = {"id": "dinner", "displayName": "Dinner", "duration": "3600s"}
    merging = {"mergePolicy": "MERGE_ALLOWED", "seatLossPerJoint": 1}
    admin.made("/v1/serviceTypes", {**dinner, **merging, "granularity": "3600s"})
    for name, beside in TABLES.items():
        zone = "yard" if name == "t5" else "hall"
        table = {"id": name, "displayName": name.upper(), "kind": "TABLE", "capacityMax": 4}
        places = {"zone": zone, "movable": True, "adjacentResourceIds": beside}
        admin.made("/v1/resources", {**table, **places})
        assert admin.put(f"/v1/resources/{name}/schedule", HOURS).status == 200
    event = {"uid": "repair", "interval": span(site.moment(13), 60)}
    admin.made("/v1/resources/t2/externalBusy", {"events": [event]})
    week = {"startTime": told(site.moment(0)), "endTime": told(site.moment(0, day=5))}
    wanted = {"id": "q1", "serviceTypeId": "dinner", "window": week, "partySize": PARTY}
    site.planner().made("/v1/requests", wanted)
    body = {"bookingRequestId": "q1", "resourceIds": ["t1", "t2"], "start": told(site.moment(9))}
    site.planner().made("/v1/assignments", body)
    return site


@pytest_asyncio.fixture(loop_scope="module")
async def anna(browser, tenant):
    site = await asyncio.to_thread(set_up, tenant)
    desk = await Desk.opened(browser, site, "anna")
    yield desk
    await desk.page.context.close()
    assert not desk.errors


async def test_a_merged_plan_is_moved_as_a_whole(anna):
    verdict = anna.page.get_by_test_id("verdict")
    await anna.lift(anna.block("Assignment", "T1 + T2", "09:00").first)
    await anna.over("t1", 11)
    await expect(verdict).to_contain_text("T1 + T2")
    await expect(anna.page.locator(".target.free")).to_have_count(2)
    await anna.drop()
    await expect(anna.page.get_by_text("Moved to T1 + T2")).to_be_visible()
    await expect(anna.block("Assignment", "T1 + T2", "11:00–")).to_have_count(2)
    await anna.lift(anna.block("Assignment", "T1 + T2", "11:00–").first)
    await anna.over("t4", 10)
    await expect(verdict).to_contain_text("T3 + T4")
    await expect(anna.page.locator(".target.free")).to_have_count(2)
    await anna.fine("merged")
    await anna.drop()
    await expect(anna.page.get_by_text("Moved to T3 + T4")).to_be_visible()
    await expect(anna.block("Assignment", "T3 + T4", "10:00–")).to_have_count(2)
    await expect(anna.page.locator(".block.assignment")).to_have_count(2)
    await anna.page.keyboard.press("Control+z")
    await expect(anna.block("Assignment", "T1 + T2", "11:00–")).to_have_count(2)


async def test_a_merged_plan_that_does_not_fit_is_told_why(anna):
    verdict = anna.page.get_by_test_id("verdict")
    block = anna.block("Assignment", "T1 + T2", "09:00").first
    await anna.lift(block)
    await anna.over("t5", 11)
    told_kindly = "T5, alone or with what stands beside it, cannot serve a party of 7 then."
    await expect(verdict).to_contain_text(told_kindly)
    await anna.fine("merged-blocked")
    # One of the two is busy then, so neither goes.
    await anna.over("t1", 13)
    await expect(verdict).to_have_class("verdict blocked")
    await expect(verdict).to_contain_text("T2")
    await anna.drop()
    await expect(anna.page.get_by_text("Not moved")).to_be_visible()
    await expect(anna.block("Assignment", "T1 + T2", "09:00")).to_have_count(2)
