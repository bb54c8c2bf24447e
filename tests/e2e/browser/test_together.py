"""Two planners at once: each sees the other's doing, and nobody overwrites anybody unawares."""

import asyncio
import re
import time

import pytest
from playwright.async_api import expect

from tests.e2e.browser.desk import kept
from tests.e2e.moments import told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_one_assigns_and_the_other_sees_it_within_a_second(open_desk, site, slack):
    anna, ben = await asyncio.gather(open_desk("anna"), open_desk("ben"))
    await asyncio.gather(anna.choose("q1"), ben.choose("q1"))
    await expect(ben.page.get_by_test_id("looking")).to_contain_text("anna is looking")
    await expect(anna.page.get_by_test_id("looking")).to_contain_text("ben is looking")
    await anna.shot("candidates")
    await anna.act("Assign").click()
    begun = time.perf_counter()
    seen = ben.block("Assignment", "Boiler visit", "for q1")
    await expect(seen).to_be_visible(timeout=1_000 * slack)
    seconds = time.perf_counter() - begun
    kept("seen", {"seconds_from_click_to_the_other_page": round(seconds, 3)})
    assert seconds < slack
    await expect(ben.request("q1")).to_have_count(0)
    await expect(ben.page.get_by_text("This request is settled or gone.")).to_be_visible()


async def test_both_drag_one_assignment_and_the_later_is_told_who_was_first(open_desk, site):
    site.assigned("q1", "ada", 9)
    anna, ben = await asyncio.gather(open_desk("anna"), open_desk("ben"))
    for desk, hour in ((anna, 10), (ben, 11)):
        await desk.lift(desk.block("Assignment", "Ada", "09:00"))
        await desk.over("bruno", hour)
    await anna.shot("dragging")
    await anna.drop()
    # It is drawn there at once; what counts is that the ledger took it.
    await expect(anna.page.get_by_text("Moved to Bruno")).to_be_visible()
    await ben.drop()
    dialog = ben.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("changed while you worked on it")
    theirs, mine = dialog.get_by_label("Their version"), dialog.get_by_label("Your version")
    await expect(theirs).to_contain_text("anna")
    await expect(theirs).to_contain_text("10:00")
    await expect(mine).to_contain_text("11:00")
    await ben.fine("conflict")
    await dialog.get_by_role("button", name="Keep theirs").click()
    await expect(ben.block("Assignment", "Bruno", "10:00")).to_be_visible()
    await expect(ben.block("Assignment", "11:00–")).to_have_count(0)


async def test_a_slot_that_was_just_taken_is_told_with_what_is_free_instead(open_desk, site):
    ben = await open_desk("ben")
    await ben.choose("q1")
    answers = []

    async def first_answer(route):
        """Keeps the page from learning that the slot is gone, as a slow network would."""
        if not answers:
            answers.append(await route.fetch())
        await route.fulfill(response=answers[0])

    await ben.page.route("**/v1/slots:explain", first_answer)
    await ben.page.get_by_role("button", name="Place it on the board by hand").click()
    await expect(ben.page.get_by_test_id("verdict")).to_have_class("verdict free fixed")
    offered = await ben.page.get_by_test_id("verdict").inner_text()
    taken_by = "ada" if "Ada" in offered else "bruno"
    site.assigned("q2", taken_by, 8)
    await expect(ben.block("Assignment", "for q2")).to_be_visible()
    await ben.page.keyboard.press("Enter")
    dialog = ben.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Somebody was quicker")
    await expect(dialog.get_by_label("Their version")).to_contain_text("anna")
    await ben.fine("taken")
    await ben.tab_to(re.compile("^[0-9]+% "))
    await ben.page.keyboard.press("Enter")
    await expect(ben.block("Assignment", "for q1")).to_be_visible()


async def test_who_was_later_may_do_it_on_top_of_what_is_now(open_desk, site):
    site.assigned("q1", "ada", 9)
    ben = await open_desk("ben")
    await ben.lift(ben.block("Assignment", "Ada", "09:00"))
    await ben.over("bruno", 11)
    made = site.planner().get("/v1/assignments").body["assignments"][0]
    there = site.planner("anna").post(
        f"/v1/assignments/{made['id']}:reassign",
        {"resourceIds": ["ada"], "start": told(site.moment(14)), "etag": made["etag"]},
    )
    assert there.status == 200, there.raw
    await ben.drop()
    dialog = ben.page.get_by_role("dialog")
    await expect(dialog.get_by_label("Their version")).to_contain_text("anna")
    await dialog.get_by_role("button", name="Do mine on top of it").click()
    await expect(ben.block("Assignment", "Bruno", "11:00–")).to_be_visible()


async def test_moving_and_cancelling_give_the_time_back_to_the_other(open_desk, site):
    site.assigned("q1", "ada", 9)
    anna, ben = await asyncio.gather(open_desk("anna"), open_desk("ben"))
    await anna.lift(anna.block("Assignment", "Ada", "09:00"))
    await anna.over("bruno", 9)
    await anna.drop()
    await expect(ben.block("Assignment", "Bruno", "09:00")).to_be_visible()
    # What was Ada's is free again: the other takes it for another request, at once.
    site_start = site.moment(9).strftime("%H:%M")
    await ben.choose("q2")
    await ben.page.get_by_role("button", name="Place it on the board by hand").click()
    verdict = ben.page.get_by_test_id("verdict")
    await to_place(ben, "Ada", site_start)
    await expect(verdict).to_have_class("verdict free fixed")
    await ben.page.keyboard.press("Enter")
    await expect(anna.block("Assignment", "Ada", "09:00", "for q2")).to_be_visible()
    await anna.block("Assignment", "Ada", "09:00", "for q2").click()
    await anna.page.get_by_role("button", name="Cancel assignment").click()
    await expect(ben.block("Assignment", "for q2")).to_have_count(0)
    await expect(ben.request("q2")).to_be_visible()
    await anna.page.get_by_role("button", name="Undo", exact=True).first.click()
    await expect(ben.block("Assignment", "Ada", "09:00", "for q2")).to_be_visible()


async def to_place(desk, name, clock):
    """Brings what is moved by keys to a person and a time of the same day."""
    verdict = desk.page.get_by_test_id("verdict")
    for _ in range(4):
        if name in await verdict.inner_text():
            break
        await desk.page.keyboard.press("ArrowUp")
    for _ in range(16):
        if f"{clock}–" in await verdict.inner_text():
            return
        await desk.page.keyboard.press("ArrowLeft")
    for _ in range(16):
        if f"{clock}–" in await verdict.inner_text():
            return
        await desk.page.keyboard.press("ArrowRight")
    raise AssertionError(f"no key leads to {name} at {clock}")


async def test_a_hold_is_seen_by_all_and_by_who_comes_later(open_desk, site):
    anna = await open_desk("anna")
    await anna.choose("q1")
    await anna.act("Hold").click()
    await expect(anna.block("Your hold", "for q1")).to_be_visible()
    ben = await open_desk("ben")
    held = ben.block("Hold by anna", "for q1")
    await expect(held).to_be_visible()
    await expect(ben.request("q1")).to_contain_text("held")
    await held.click()
    await ben.fine("held-by-another")
    await expect(ben.page.locator(".details")).to_contain_text("Only anna can confirm")
    await expect(ben.page.get_by_role("button", name="Confirm")).to_be_disabled()
    await anna.page.get_by_role("button", name="Confirm").click()
    await expect(ben.block("Assignment", "for q1")).to_be_visible()
    await expect(held).to_have_count(0)
