"""Several tabs of one planner share one stream, and lose nothing when the one that reads closes."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser.desk import Desk
from tests.e2e.moments import told

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOVES = 12


class Streams:
    """The watches that a browser opened at the gateway; a tab's end with it."""

    def __init__(self, context) -> None:
        self.asked = []
        context.on("request", self.begun)

    def begun(self, request) -> None:
        if "/v1/changes" in request.url:
            self.asked.append(request)

    @property
    def opened(self) -> int:
        return len(self.asked)

    @property
    def live(self) -> int:
        return sum(not one.frame.page.is_closed() for one in self.asked)


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser, site):
    """Opens tabs of one browser."""
    context = await browser.new_context(viewport={"width": 1440, "height": 860})
    context.streams = Streams(context)
    desks = []

    async def opened(name="anna"):
        where = {"role": "planner", "gateway": site.tenant.gateway}
        desks.append(await Desk.tab(context, site, name, **where))
        return desks[-1]

    yield opened
    await context.close()
    assert not [error for desk in desks for error in desk.errors]


def streams(desk: Desk) -> Streams:
    return desk.page.context.streams


async def test_two_tabs_of_a_planner_open_one_stream_and_both_hear(tab, site):
    first, second = await tab(), await tab()
    assert streams(first).opened == 1
    await first.choose("q1")
    await first.act("Assign").click()
    await expect(second.block("Assignment", "for q1")).to_be_visible()
    site.assigned("q2", "ada", 15)
    for one in (first, second):
        await expect(one.block("Assignment", "for q2")).to_be_visible()
    assert await first.changes() == await second.changes()
    await first.choose("q3")
    await first.act("Hold").click()
    await expect(first.page.get_by_role("button", name="Release")).to_be_enabled()
    await second.block("Hold by anna", "for q3").click()
    await expect(second.page.locator(".details")).to_contain_text("in another tab")
    # Another planner of the same browser does not hear by them.
    ben = await tab("ben")
    assert streams(first).opened == 2
    await expect(ben.block("Assignment", "for q2")).to_be_visible()


def moved(site, made, number: int):
    """Moves an assignment as a planner who uses no page; returns it as it is then."""
    start = told(site.moment(8 + number % 8, day=2))
    body = {"resourceIds": ["ada"], "start": start, "etag": made["etag"]}
    return site.planner("ben").made(f"/v1/assignments/{made['id']}:reassign", body)


async def test_the_tab_that_reads_is_closed_and_another_goes_on(tab, site):
    made = site.assigned("q1", "ada", 8)
    first, second, third = await tab(), await tab(), await tab()
    begun = int(made["etag"]) + 1
    wanted = [f"assignments/{made['id']}/{begun + number}" for number in range(MOVES)]
    # Reloading would bring back what was missed; it must not be needed.
    reads = []
    for desk in (second, third):
        desk.page.on("request", lambda one: "/v1/resources?" in one.url and reads.append(one.url))
    for number in range(MOVES):
        made = await asyncio.to_thread(moved, site, made, number)
        if number == MOVES // 2:
            await first.page.close()
    for desk in (second, third):
        await expect(desk.page.locator(f"[data-change='{wanted[-1]}']")).to_be_visible()
        changes = [one for one in await desk.changes() if one.startswith("assignments/")]
        assert changes == wanted[::-1]
        await desk.live()
    assert reads == []
    assert (streams(second).opened, streams(second).live) == (2, 1)


# A tab that is deaf does not hear the others: what was said meanwhile is lost to it.
DEAF = """
window.deaf = false;
const { set } = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, "onmessage");
Object.defineProperty(BroadcastChannel.prototype, "onmessage", {
  set(hear) { set.call(this, (event) => { if (!window.deaf) hear(event); }); },
});
"""


async def test_a_tab_that_missed_something_asks_the_others_for_it(tab, site):
    made = site.assigned("q1", "ada", 8)
    first = await tab()
    await first.page.context.add_init_script(DEAF)
    second = await tab()
    await second.page.evaluate("window.deaf = true")
    for number in range(3):
        made = await asyncio.to_thread(moved, site, made, number)
    latest = f"[data-change='assignments/{made['id']}/{made['etag']}']"
    await expect(first.page.locator(latest)).to_be_visible()
    await expect(second.page.locator(latest)).to_have_count(0)
    reads = []
    second.page.on("request", lambda one: reads.append(one.url))
    await second.page.evaluate("window.deaf = false")
    await expect(second.page.locator(latest)).to_be_visible()
    assert await second.changes() == (await first.changes())[:3]
    assert not [url for url in reads if "/v1/resources?" in url or "/v1/changes" in url]
    assert streams(first).opened == 1
