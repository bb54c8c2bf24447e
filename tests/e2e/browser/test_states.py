"""What the page shows in each state, by keys and to screen readers too: conflicts, gaps, charts."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.e2e.browser.desk import Desk
from tests.e2e.browser.site import Site
from tests.e2e.moments import span, told
from tests.e2e.patience import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPOSSIBLE = "q-impossible"


async def test_a_conflict_is_settled_by_keys_alone(open_desk, site):
    site.assigned("q1", "ada", 9)
    ben = await open_desk("ben")
    dialog, keys = ben.page.get_by_role("dialog"), ben.page.keyboard
    await ben.conflict_by_keys(site, 14)
    await expect(dialog.get_by_label("Their version")).to_contain_text("14:00")
    assert await ben.focused() == "Keep theirs"
    await ben.fine("conflict-keys")
    await keys.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(ben.block("Assignment", "Ada", "14:00")).to_be_visible()
    await ben.conflict_by_keys(site, 12)
    await ben.tab_to("Do mine on top of it")
    await keys.press("Enter")
    await expect(ben.block("Assignment", "Bruno", "for q1")).to_be_visible()
    await expect(dialog).to_have_count(0)


async def test_what_is_moved_shows_where_it_may_go(open_desk, site):
    site.assigned("q1", "ada", 9)
    anna = await open_desk()
    await anna.block("Assignment", "Ada", "09:00").focus()
    await anna.page.keyboard.press("m")
    verdict = anna.page.get_by_test_id("verdict")
    await expect(verdict).to_have_class(re.compile("free"))
    await anna.fine("moving")
    for _ in range(2):
        await anna.page.keyboard.press("ArrowDown")
    await expect(verdict).to_have_class(re.compile("blocked"))
    await anna.fine("moving-blocked")
    await anna.page.keyboard.press("Escape")
    await expect(verdict).to_have_count(0)


def impossible(site: Site) -> None:
    """Asks for what nobody can do, and has it tried."""
    week = {"startTime": told(site.moment(0)), "endTime": told(site.moment(0, day=5))}
    wanted = {"id": IMPOSSIBLE, "serviceTypeId": "visit", "window": week}
    site.planner().made("/v1/requests", {**wanted, "requiredSkills": ["diving"]})
    tried = site.tenant.http("admin").post(
        "/v1/assignments:autoAssign", {"bookingRequestIds": [IMPOSSIBLE]}
    )
    assert b"SKIPPED" in tried.raw, tried.raw


async def test_gaps_are_listed_with_their_reasons_and_close_by_themselves(open_desk, site):
    anna = await open_desk()
    await anna.part("Gaps")
    await expect(anna.page.get_by_text("There are no gaps")).to_be_visible()
    await anna.fine("gaps-none")
    impossible(site)
    gap = anna.page.locator(".gaps .card")
    await expect(gap).to_contain_text(IMPOSSIBLE)
    await expect(gap).to_contain_text("not qualified × 3")
    await expect(gap).to_contain_text("Last tried")
    reasons = anna.page.get_by_role("figure", name="What stood in the way")
    await expect(reasons).to_contain_text("not qualified")
    await anna.fine("gaps-listed")
    await gap.get_by_role("button", name="Open on the board").click()
    await expect(anna.page.get_by_text("Nobody can do this.")).to_be_visible()
    await anna.fine("nobody")
    await anna.part("Gaps")
    # Somebody learns it, and it is served: nobody has to reload anything.
    admin = site.tenant.http("admin")
    skilled = admin.get("/v1/resources/chidi").body
    skilled["skills"] = [{"name": "boiler"}, {"name": "diving"}]
    assert admin.call("PATCH", "/v1/resources/chidi", skilled).status == 200
    start = told(site.moment(9))
    place = {"bookingRequestId": IMPOSSIBLE, "resourceIds": ["chidi"], "start": start}
    # The process that checks it may be another one, and hear of the skill a moment later.
    planner = site.planner()
    eventually(lambda: planner.post("/v1/assignments", place).status == 200)
    await expect(anna.page.get_by_text("There are no gaps")).to_be_visible()


async def counted(figure, bookings):
    """Waits until the hours show so many bookings; an hour may end between two of them."""
    async with asyncio.timeout(10):
        while True:
            numbers = await figure.locator("td").all_inner_texts()
            if sum(int(number) for number in numbers if number) == bookings:
                return
            await asyncio.sleep(0.05)


async def test_use_and_demand_are_drawn_and_follow_what_happens(open_desk, site):
    site.assigned("q1", "ada", 9)
    anna = await open_desk()
    await anna.part("Use and demand")
    use = anna.page.get_by_role("figure", name="Use by resource")
    ada, days = use.get_by_role("listitem").filter(has_text="Ada"), anna.page.locator(".bars")
    await expect(ada).to_contain_text("of 40.0 h")
    before = await ada.inner_text()
    await expect(days.nth(1).get_by_role("listitem")).to_have_count(5)
    bookings = anna.page.get_by_role("figure", name="Bookings by weekday and hour")
    await expect(bookings.get_by_role("row")).to_have_count(8)
    await counted(bookings, 1)
    await anna.fine("charts")
    site.assigned("q2", "ada", 11)
    await expect(ada).not_to_have_text(before)
    await counted(bookings, 2)
    await expect(anna.page.get_by_text("2 assignments")).to_be_visible()


async def test_fairness_follows_and_drift_is_told(open_desk, site):
    anna = await open_desk()
    await anna.part("Fairness")
    month = anna.page.get_by_label("Month")
    await month.fill(f"{site.monday:%Y-%m}")
    await expect(anna.page.get_by_text("Nobody.", exact=True)).to_be_visible()
    site.assigned("q1", "ada", 9)
    drifts = anna.page.locator(".drifts")
    await expect(drifts.get_by_role("listitem").filter(has_text="Ada")).to_contain_text(
        "outside the tolerance of 20 %"
    )
    ada = anna.page.get_by_role("row").filter(has_text="Ada")
    await expect(ada).to_contain_text("no")
    await anna.fine("fairness-drift")


async def test_what_is_at_risk_is_told(open_desk, site):
    site.assigned("q1", "ada", 9)
    anna = await open_desk()
    leave = {"interval": span(site.moment(8), 480), "reason": "ill"}
    site.tenant.http("admin").made("/v1/resources/ada/timeOff", leave)
    block = anna.block("Assignment", "for q1", "at risk")
    await expect(block).to_be_visible()
    await block.click()
    await expect(anna.page.get_by_text("At risk:")).to_be_visible()
    await expect(anna.page.locator(".facts")).to_contain_text(re.compile("By\\s*anna"))
    await anna.fine("at-risk")


async def test_an_empty_site_and_one_that_still_loads_say_so(browser, new_tenant):
    tenant = new_tenant()
    context = await browser.new_context(viewport={"width": 1440, "height": 860})
    page = await context.new_page()
    desk = Desk(page, Site(tenant, None))
    arrived = asyncio.Event()

    async def late(route):
        await arrived.wait()
        await route.continue_()

    await page.route("**/v1/resources*", late)
    await page.goto(f"{tenant.gateway}/#token={tenant.token('planner', 'anna')}")
    await expect(page.get_by_text("Loading the board")).to_be_visible()
    await desk.fine("loading")
    arrived.set()
    await expect(page.get_by_text("There are no resources yet")).to_be_visible()
    await expect(page.get_by_text("Nothing waits.")).to_be_visible()
    await desk.fine("empty")
    await desk.part("Fairness")
    await expect(page.get_by_text("Nobody offers days in this month.")).to_be_visible()
    await desk.part("Use and demand")
    await expect(page.get_by_text("Nobody works or is booked")).to_be_visible()
    assert not desk.errors
    await context.close()
