"""Fixtures of the browser tests: one Chromium per module, and a site of one's own per test."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e.browser import chromium
from tests.e2e.browser.desk import Desk
from tests.e2e.browser.site import Site, furnish
from tests.e2e.callers import Tenant

Open = Callable[..., Awaitable[Desk]]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is; skips where none is and none may be installed."""
    return chromium.required()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=chromium_path, args=list(chromium.FLAGS)
        )
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def site(tenant: Tenant) -> Site:
    return await asyncio.to_thread(furnish, tenant)


@pytest_asyncio.fixture(loop_scope="module")
async def open_desk(browser: Browser, site: Site) -> AsyncIterator[Open]:
    """Opens the page for a planner; whatever broke in a page fails the test."""
    desks: list[Desk] = []

    async def opened(name: str = "anna", **more: Any) -> Desk:
        desks.append(await Desk.opened(browser, site, name, **more))
        return desks[-1]

    yield opened
    for desk in desks:
        await desk.page.context.close()
    assert not [error for desk in desks for error in desk.errors]


@pytest.fixture(scope="session")
def slack() -> float:
    """What bounds of time are multiplied by; FAIRSLOT_QUIET=1 promises a quiet machine."""
    return 1.0 if os.environ.get("FAIRSLOT_QUIET") else 4.0
