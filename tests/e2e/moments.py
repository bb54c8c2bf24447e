"""Times of the example worlds as JSON tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from examples import moments
from examples.world import World


def at(world: World, text: str) -> datetime:
    """Reads "week 1 MONDAY 09:00" by the clocks of the world, in UTC."""
    zone = ZoneInfo(world.tenant.time_zone)
    anchor = moments.anchor_of(datetime.now(zone).date())
    return moments.moment_of(text, anchor, zone).astimezone(UTC)


def told(moment: datetime) -> str:
    """Tells a moment as JSON does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(start: datetime, minutes: int) -> dict[str, Any]:
    """Tells an interval."""
    return {"startTime": told(start), "endTime": told(start + timedelta(minutes=minutes))}


def read(text: str) -> datetime:
    """Reads a moment of an answer."""
    return datetime.fromisoformat(text)
