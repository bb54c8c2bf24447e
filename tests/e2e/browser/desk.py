"""A planner at the page: finds things by what they are called, by mouse or by keys alone."""

import json
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from deploy.local.rundir import ROOT
from tests.e2e.browser.site import Site

SHOTS = ROOT / ".run" / "browser"
TABS_MAX = 120
WAIT_MS = 10_000
SERIOUS = {"serious", "critical"}


class Desk:
    """One open page of one planner."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @classmethod
    async def opened(
        cls, browser: Browser, site: Site, name: str, *, role: str = "planner", **more: Any
    ) -> "Desk":
        """Signs in, in a browser of one's own, and shows the site's week."""
        gateway = more.pop("gateway", site.tenant.gateway)
        more.setdefault("viewport", {"width": 1440, "height": 860})
        context = await browser.new_context(**more)
        return await cls.tab(context, site, name, role=role, gateway=gateway)

    @classmethod
    async def tab(
        cls, context: BrowserContext, site: Site, name: str, *, role: str, gateway: str
    ) -> "Desk":
        """Opens one more tab of a browser and shows the site's week."""
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        desk = cls(page, site)
        await page.goto(f"{gateway}/#token={site.tenant.token(role, name)}")
        await desk.live()
        await page.get_by_label("Go to a date").fill(site.monday.isoformat())
        await desk.settled()
        return desk

    async def live(self) -> None:
        """Waits until the page hears the feed and shows the board."""
        await expect(self.page.get_by_test_id("feed-state")).to_have_text("Live", timeout=WAIT_MS)
        await expect(self.page.locator(".row").first).to_be_visible()

    async def settled(self) -> None:
        """Waits until the board shows the site's week in full."""
        await expect(self.page.locator("#board-title")).to_contain_text(f"{self.site.monday.day}")
        await expect(self.page.locator(".board")).to_have_attribute("aria-busy", "false")

    def block(self, kind: str, *parts: str) -> Locator:
        """An assignment or hold on the board whose label has all these parts."""
        pattern = "".join(f"(?=.*{re.escape(part)})" for part in parts)
        return self.page.get_by_role("button", name=re.compile(f"^{kind}{pattern}"))

    def request(self, name: str) -> Locator:
        """A request in the queue."""
        return self.page.locator(f".request[data-id='{name}']")

    async def choose(self, request: str) -> Locator:
        """Opens a request; returns its candidates."""
        await self.request(request).click()
        candidates = self.page.locator(".candidate")
        await expect(candidates.first).to_be_visible()
        return candidates

    def act(self, verb: str) -> Locator:
        """The first button of a candidate that assigns or holds."""
        return self.page.get_by_role("button", name=re.compile(f"^{verb} (Ada|Bruno|Chidi)")).first

    async def lift(self, block: Locator) -> None:
        """Takes a block up with the mouse."""
        box = await block.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        await self.page.mouse.move(x + 3, y + 6, steps=3)

    async def over(self, resource: str, hour: int, *, day: int = 0) -> None:
        """Brings what is lifted to a resource and an hour, and waits for the verdict."""
        track = self.page.locator(f"[data-resource='{resource}']")
        box = await track.bounding_box()
        assert box is not None
        # The board shows the hours of the site's shifts: 8 to 16, seven days side by side. The
        # pointer holds the middle of an hour's block.
        place = (day + (hour - 8 + 0.5) / 8) / 7
        await self.page.mouse.move(
            box["x"] + place * box["width"], box["y"] + box["height"] / 2, steps=5
        )
        verdict = self.page.get_by_test_id("verdict")
        await expect(verdict).to_contain_text(f"{hour:02}:00")
        await expect(verdict).to_have_class(re.compile("free|blocked"))

    async def drop(self) -> None:
        """Lets go."""
        await self.page.mouse.up()

    async def tab_to(self, name: str | re.Pattern[str]) -> None:
        """Presses Tab until the focus is on what is called so; no mouse, no jumping."""
        wanted = re.compile(re.escape(name)) if isinstance(name, str) else name
        seen = []
        for _ in range(TABS_MAX):
            await self.page.keyboard.press("Tab")
            called = await self.focused()
            seen.append(called)
            if wanted.search(called):
                return
        raise AssertionError(f"no Tab leads to {name!r}; it leads to {seen}")

    async def focused(self) -> str:
        """What has the focus is called."""
        return str(
            await self.page.evaluate(
                """() => {
                  const one = document.activeElement;
                  if (!one || one === document.body) return "";
                  const labels = [...(one.labels ?? [])].map((label) => label.innerText).join(" ");
                  return (one.getAttribute("aria-label") || labels || one.innerText || "")
                    .replace(/\\s+/g, " ").trim();
                }"""
            )
        )

    async def part(self, name: str) -> None:
        """Goes to a part of the page."""
        await self.page.get_by_role("button", name=name, exact=True).click()
        await expect(self.page.get_by_role("heading", name=re.compile(f"^{name}"))).to_be_visible()

    async def conflict_by_keys(self, site: Site, hour: int) -> None:
        """Moves q1 to Bruno by keys, too late: somebody else brings it to an hour meanwhile."""
        keys = self.page.keyboard
        await self.tab_to(re.compile("^Assignment.*for q1"))
        await keys.press("m")
        await keys.press("ArrowDown")
        await expect(self.page.get_by_test_id("verdict")).to_have_class(re.compile("free"))
        site.moved("q1", "ada", hour)
        await keys.press("Enter")
        await expect(self.page.get_by_role("dialog")).to_be_visible()

    async def changes(self) -> list[str]:
        """What happened lately, as the page was told: topic/id/version of each change."""
        told = self.page.locator("[data-change]")
        return [str(await one.get_attribute("data-change")) for one in await told.all()]

    async def shot(self, name: str) -> Path:
        """Keeps a picture for people to look at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        await self.page.screenshot(path=path)
        return path

    async def fine(self, name: str) -> None:
        """Keeps a picture and asks axe-core; fails on what it finds serious."""
        await self.shot(name)
        found = (await Axe().run(self.page)).response["violations"]
        told = [
            f"{one['id']} ({one['impact']}): {node['html'][:200]} {node.get('failureSummary', '')}"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"][:4]
        ]
        assert not told, "\n".join(told)


def kept(name: str, figures: dict[str, Any]) -> None:
    """Keeps figures beside the pictures."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
