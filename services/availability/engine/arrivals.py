"""How long those who could serve a slot would travel to it."""

from collections.abc import Sequence

import numpy as np

from services.availability.rules.bits import Index
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Minutes
from services.availability.rules.lane import Lane
from services.availability.rules.travel import Site

# Where neither a job before nor a home is known.
NOT_KNOWN = 2**32 - 1


def travel_minutes(
    lanes: Sequence[Lane],
    site: Site,
    *,
    starts: Minutes,
    candidates: Index,
    expansions: Expansions,
) -> Index:
    """Gives the minutes to the site for each pair of start and candidate.

    Whoever has had a job with a place since working time began comes from the last one's end, else
    from home. `starts` holds the start of each pair, `candidates` its index into `lanes`.
    """
    found = np.full(len(candidates), NOT_KNOWN, dtype=np.int64)
    for index, lane in enumerate(lanes):
        pairs = np.flatnonzero(candidates == index)
        if len(pairs):
            found[pairs] = _of_lane(lane, site, starts[pairs].astype(np.int64), expansions)
    return found


def _of_lane(lane: Lane, site: Site, starts: Index, expansions: Expansions) -> Index:
    home = lane.resource.home
    ways = np.full(len(starts), NOT_KNOWN, dtype=np.int64)
    if home is not None:
        ways[:] = site.to_here([home])[0]
    jobs = sorted(
        (one.occupied.end, one.place.latitude, one.place.longitude, one.place)
        for one in lane.live
        if one.place is not None
    )
    if not jobs:
        return ways
    ends = np.array([job[0] for job in jobs], dtype=np.int64)
    from_jobs = site.to_here([job[3] for job in jobs])
    last = np.searchsorted(ends, starts, side="right") - 1
    worked = expansions.working(lane.pattern, int(starts.min()), int(starts.max()) + 1)
    begins = worked.starts.astype(np.int64)
    since = np.searchsorted(begins, starts, side="right") - 1
    began = begins[np.maximum(since, 0)] if len(begins) else np.zeros_like(starts)
    held = (last >= 0) & (ends[np.maximum(last, 0)] >= began)
    return np.where(held, from_jobs[np.maximum(last, 0)], ways)
