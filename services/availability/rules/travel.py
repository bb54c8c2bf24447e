"""Time to come from the job before, or from home, and to go on to the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.availability.domain import MINUTES_PER_DAY, Place, SlotShape, Span, Tenant
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Spans
from services.availability.rules.lane import Lane
from services.availability.rules.zones import Wide

EARTH_RADIUS_KM = 6_371.0
DEFAULT_SPEED_KMH = 40
# So that a way of exactly one minute does not become two by what floats lose.
_ROUNDING = 1e-9


class Travel(Protocol):
    """How long a way takes; a routing engine can take the place of the straight line."""

    def minutes(self, origins: Sequence[Place], destinations: Sequence[Place]) -> Wide:
        """Gives whole minutes from `origins[i]` to `destinations[i]`, rounded up."""


@dataclass(frozen=True, slots=True)
class StraightLine:
    """As the crow flies over a sphere, at one speed."""

    speed_kmh: int = DEFAULT_SPEED_KMH

    def minutes(self, origins: Sequence[Place], destinations: Sequence[Place]) -> Wide:
        """Gives whole minutes from `origins[i]` to `destinations[i]`, rounded up."""
        a, b = _radians(origins), _radians(destinations)
        half = np.sin((b - a) / 2) ** 2
        chord = half[:, 0] + np.cos(a[:, 0]) * np.cos(b[:, 0]) * half[:, 1]
        km = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(1.0, chord)))
        rounded: Wide = np.ceil(km / self.speed_kmh * 60 - _ROUNDING).astype(np.int64)
        return rounded


@dataclass(frozen=True, slots=True)
class Site:
    """Where the work is, and how people get there."""

    place: Place
    travel: Travel

    def to_here(self, places: Sequence[Place]) -> Wide:
        """Gives the minutes from each place to the site."""
        return self.travel.minutes(places, [self.place] * len(places))

    def from_here(self, places: Sequence[Place]) -> Wide:
        """Gives the minutes from the site to each place."""
        return self.travel.minutes([self.place] * len(places), places)


def site_of(tenant: Tenant, place: Place) -> Site:
    """Gives a place as a tenant's people get there."""
    return Site(place, StraightLine(tenant.travel_speed_kmh or DEFAULT_SPEED_KMH))


def unreachable(
    lanes: Sequence[Lane], shape: SlotShape, site: Site, *, span: Span, expansions: Expansions
) -> tuple[Wide, Wide, Wide]:
    """Gives the ranges of starts `[low, high)` nobody could get to, or away from, in time.

    `span` bounds the starts that matter; each range comes with its lane.
    """
    jobs = [
        (row, one.occupied, one.place)
        for row, lane in enumerate(lanes)
        for one in lane.allocations
        if one.place is not None
    ]
    places = [place for _, _, place in jobs]
    rows = np.array([row for row, _, _ in jobs], dtype=np.int64)
    starts = np.array([occupied.start for _, occupied, _ in jobs], dtype=np.int64)
    ends = np.array([occupied.end for _, occupied, _ in jobs], dtype=np.int64)
    low = starts - site.from_here(places) - shape.duration - shape.buffer_after + 1
    high = ends + site.to_here(places) + shape.buffer_before
    seen = (low < span.end) & (high > span.start)
    late = _late(lanes, shape, site, span=span, expansions=expansions)
    return (
        np.concatenate((rows[seen], late[:, 0])),
        np.concatenate((low[seen], late[:, 1])),
        np.concatenate((high[seen], late[:, 2])),
    )


def _late(
    lanes: Sequence[Lane], shape: SlotShape, site: Site, *, span: Span, expansions: Expansions
) -> Wide:
    """Gives (lane, low, high) of the starts that lie too soon after leaving home."""
    homes = [(row, lane.resource.home) for row, lane in enumerate(lanes) if lane.resource.home]
    times = site.to_here([home for _, home in homes if home is not None])
    found: list[tuple[int, int, int]] = []
    for (row, _), way in zip(homes, times.tolist(), strict=True):
        lane = lanes[row]
        worked = expansions.attended(lane.pattern, span.start, span.end + shape.duration)
        located = [one.slot.start for one in lane.allocations if one.place is not None]
        found.extend((row, low, high) for low, high in mornings(worked, located, way))
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def mornings(worked: Spans, located: Sequence[int], minutes: int) -> list[tuple[int, int]]:
    """Gives the starts that lie too soon after leaving home.

    Whoever leaves home does so when a shift begins, and stays during its breaks; after the first
    job of the shift it is that job they come from. A way of more than a day counts as a day.
    """
    starts = np.array(sorted(located), dtype=np.int64)
    begins = worked.starts.astype(np.int64)
    ends = np.minimum(begins + min(minutes, MINUTES_PER_DAY), worked.ends)
    if len(starts):
        index = np.searchsorted(starts, begins, side="left")
        following = starts[np.minimum(index, len(starts) - 1)]
        ends = np.where(index < len(starts), np.minimum(ends, following), ends)
    return [
        (low, high) for low, high in zip(begins.tolist(), ends.tolist(), strict=True) if low < high
    ]


def _radians(places: Sequence[Place]) -> npt.NDArray[np.float64]:
    degrees = [(place.latitude, place.longitude) for place in places]
    return np.radians(np.array(degrees, dtype=np.float64).reshape(-1, 2))
