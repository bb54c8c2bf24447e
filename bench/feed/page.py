"""From a planner's commit to the board in another planner's browser, while many others watch."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
from playwright.async_api import Page, async_playwright

from bench.feed.watchers import share, watching
from bench.table import Bench, Row
from deploy.local import RunDir, Stack, running_stack
from deploy.local.servers import EXTERNAL
from tests.e2e.browser.chromium import FLAGS, found, installed

TENANT = "page-bench"
WATCHERS = (1, 100, 1_000)
EVENTS, WARM_EVENTS, PAUSE_SECONDS = 100, 5, 0.05
PEOPLE, HOURS_PER_DAY = 10, 24
TOKEN_SECONDS, CALL_SECONDS, SEEN_MS = 3_600, 15.0, 15_000
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
# Notes by the browser's own clock when something first stands on the board.
NOTE = """
() => {
  window.stood = new Map();
  const look = () => {
    for (const one of document.querySelectorAll(".block[data-id]"))
      if (!stood.has(one.dataset.id)) stood.set(one.dataset.id, Date.now());
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}
"""
# When the ledger decided on a change, by its own clock; its commit is a little later.
DECIDED = """
SELECT payload ->> 'id', extract(epoch FROM at) * 1000 FROM assignment.outbox
WHERE tenant_id = %s AND payload ->> 'id' = ANY(%s) AND version = 1
"""


@dataclass(frozen=True)
class Desk:
    """A planner's open page, and a way for another planner to act."""

    stack: Stack
    page: Page
    token: str

    def post(self, path: str, body: Any) -> Any:
        """Posts what must succeed; returns the thing."""
        return _called(self.stack.gateway, self.token, "POST", path, body)


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Measures with one page open and so many watchers, itself included."""
    chromium = found() or await asyncio.to_thread(installed)
    if not chromium:
        bench.say("there is no Chromium: the page's rows are left out")
        return
    async with opened(bench, chromium) as desk:
        number = 0
        for count in WATCHERS:
            bench.say(f"a browser among {count} watchers")
            yield await delay(desk, count, number)
            number += EVENTS + WARM_EVENTS


async def delay(desk: Desk, count: int, first: int) -> Row:
    """Assigns one request after the other and asks the page when each stood on its board."""
    edge = urlsplit(desk.stack.gateway).netloc
    answered = {}
    async with watching(edge, desk.token, count - 1):
        for number in range(first, first + EVENTS + WARM_EVENTS):
            made = await asyncio.to_thread(desk.post, "/v1/assignments", _place(number))
            answered[made["id"]] = time.time() * 1000
            await desk.page.wait_for_function(
                "id => stood.has(id)", arg=made["id"], polling=20, timeout=SEEN_MS
            )
            await asyncio.sleep(PAUSE_SECONDS)
    measured = list(answered)[WARM_EVENTS:]
    stood = dict(await desk.page.evaluate("() => [...stood]"))
    decided = await asyncio.to_thread(_decided, desk.stack.servers.database_url, measured)
    since = [stood[one] - decided[one] for one in measured]
    after = [stood[one] - answered[one] for one in measured]
    return Row(
        name=f"commit to the board in a browser, one of {count} watchers, p99",
        value=share(since, 0.99),
        unit="ms",
        note=f"p50 {share(since, 0.5):.0f} ms, by Chromium's clock from the ledger's own moment; "
        f"from the planner's answer p50 {share(after, 0.5):.0f}, p99 {share(after, 0.99):.0f} ms",
    )


@asynccontextmanager
async def opened(bench: Bench, chromium: str) -> AsyncIterator[Desk]:
    """Runs a whole stack with a site to plan and opens its page."""
    own = dict.fromkeys(EXTERNAL.values(), "")
    run = RunDir(bench.home / "page")
    run.forget()
    async with (
        running_stack(run.path, env=own) as stack,
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS)) as browser,
    ):
        admin = _minted(stack, "admin")
        await asyncio.to_thread(_furnish, stack.gateway, admin)
        page = await browser.new_page(viewport={"width": 1440, "height": 860})
        token = _minted(stack, "planner")
        await page.goto(f"{stack.gateway}/#token={token}")
        await page.locator(".row").first.wait_for()
        await page.get_by_label("Go to a date").fill(_monday().date().isoformat())
        await page.locator(".board[aria-busy=false]").wait_for()
        await page.evaluate(NOTE)
        yield Desk(stack, page, token)


def _minted(stack: Stack, role: str) -> str:
    return stack.minter.mint(TENANT, [role], role, lifetime_seconds=TOKEN_SECONDS)


def _monday() -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday())


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _place(number: int) -> dict[str, Any]:
    hour = _monday() + timedelta(hours=number // PEOPLE)
    return {
        "bookingRequestId": f"q{number}",
        "resourceIds": [f"r{number % PEOPLE}"],
        "start": _told(hour),
    }


def _furnish(gateway: str, admin: str) -> None:
    """Makes people who always work, and a request for every assignment to come."""

    def call(method: str, path: str, body: Any) -> None:
        _called(gateway, admin, method, path, body)

    call("PUT", "/v1/tenant", {"displayName": "Bench", "timeZone": "UTC"})
    visit = {"id": "visit", "displayName": "Visit", "duration": "3600s", "granularity": "3600s"}
    call("POST", "/v1/serviceTypes", visit)
    always = {"rules": [{"days": DAYS, "end": {"hours": HOURS_PER_DAY}}]}
    for number in range(PEOPLE):
        call("POST", "/v1/resources", {"id": f"r{number}", "kind": "PERSON"})
        call("PUT", f"/v1/resources/r{number}/schedule", always)
    week = {"startTime": _told(_monday()), "endTime": _told(_monday() + timedelta(days=7))}
    for number in range(len(WATCHERS) * (EVENTS + WARM_EVENTS)):
        body = {"id": f"q{number}", "serviceTypeId": "visit", "window": week}
        call("POST", "/v1/requests", body)


def _called(gateway: str, token: str, method: str, path: str, body: Any) -> Any:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    data = json.dumps(body).encode()
    asked = urllib.request.Request(f"{gateway}{path}", data, headers, method=method)
    with urllib.request.urlopen(asked, timeout=CALL_SECONDS) as answer:
        return json.loads(answer.read())


def _decided(url: str, ids: Sequence[str]) -> dict[str, float]:
    with psycopg.connect(url) as connection:
        return {one: float(at) for one, at in connection.execute(DECIDED, (TENANT, list(ids)))}
