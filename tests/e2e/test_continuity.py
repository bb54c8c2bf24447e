"""A customer meets whom they know: booked once, preferred again, until it is cancelled."""

import time
import uuid
from collections.abc import Callable

import pytest

from examples.world import World
from tests.e2e.callers import Tenant
from tests.e2e.moments import at, span

# Long enough for a busy machine.
WAITED_SECONDS = 30.0


@pytest.fixture
def world(enter_world: Callable[[str], World]) -> World:
    return enter_world("training")


def wanted(tenant: Tenant, customer: str) -> str:
    name = f"q-{uuid.uuid4().hex[:8]}"
    body = {"id": name, "serviceTypeId": "python-day", "customerHash": customer}
    tenant.http("planner").made("/v1/requests", body)
    return name


def known(tenant: Tenant, request: str) -> dict[str, str]:
    """Gives the sentence on each who is known to a request's customer."""
    ranked = tenant.http("planner").made(
        "/v1/candidates:rank", {"bookingRequestId": request, "limit": 1000}
    )
    return {
        candidate["resourceIds"][0]: term["reason"]
        for candidate in ranked["candidates"]
        for term in candidate["terms"]
        if term["rule"] == "continuity" and term.get("points")
    }


def until(look: Callable[[], set[str]], expected: set[str]) -> None:
    deadline = time.monotonic() + WAITED_SECONDS
    while look() != expected:
        assert time.monotonic() < deadline, f"still {look()}, not {expected}"
        time.sleep(0.1)


def test_who_was_booked_for_a_customer_is_preferred_for_them(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    first, again, stranger = (wanted(tenant, name) for name in ("acme", "acme", "other"))
    found = planner.made(
        "/v1/slots:search",
        {
            "serviceTypeId": "python-day",
            "resourceIds": ["ada"],
            "window": span(at(world, "week 1 MONDAY 00:00"), 28 * 1440),
        },
    )
    start = found["slots"][0]["start"]
    made = planner.made(
        "/v1/assignments",
        {"bookingRequestId": first, "resourceIds": ["ada"], "start": start, "reason": "a wish"},
    )
    until(lambda: set(known(tenant, again)), {"ada"})
    assert known(tenant, again)["ada"] == "Booked for this customer 1 time lately."
    assert known(tenant, stranger) == {}
    planner.made(
        f"/v1/assignments/{made['id']}:cancel", {"etag": made["etag"], "reason": "called off"}
    )
    until(lambda: set(known(tenant, again)), set())
