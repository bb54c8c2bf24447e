"""Figures of searches: how they were answered, how fast, how soon, and why they found nothing."""

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.availability.domain import moment_of
from services.availability.engine.answers import Cache
from services.availability.engine.surveying import Search
from services.availability.rules.sentences import Outcome

LATENCY_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
AWAY_SECONDS = (
    HOUR_SECONDS,
    4 * HOUR_SECONDS,
    12 * HOUR_SECONDS,
    *(days * DAY_SECONDS for days in (1, 2, 3, 7, 14, 30, 60, 180)),
)


class Figures:
    """What one process says of its searches on /metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers the figures."""
        self._seconds = Histogram(
            "fairslot_search_seconds",
            "How long searches took: cold ones compute, cached ones read shared blocks, warm ones"
            " find all in memory.",
            ("way",),
            buckets=LATENCY_SECONDS,
            registry=registry,
        )
        self._searches = Counter(
            "fairslot_searches_total",
            "Searches by how their answer came about; HIT over all is the hit rate.",
            ("cache",),
            registry=registry,
        )
        self._blocks = Counter(
            "fairslot_search_blocks_total",
            "Blocks of a day that searches had to bring into memory, read or computed.",
            ("how",),
            registry=registry,
        )
        self._away = Histogram(
            "fairslot_first_slot_seconds",
            "How far from now the first free slot of a search lies.",
            buckets=AWAY_SECONDS,
            registry=registry,
        )
        self._empty = Counter(
            "fairslot_searches_empty_total",
            "Searches that found nothing, by the reason that keeps out most resources.",
            ("reason",),
            registry=registry,
        )

    def searched(self, search: Search, outcome: Outcome) -> None:
        """Counts one search whose outcome is known now."""
        self._seconds.labels(way_of(search)).observe(perf_counter() - search.began)
        self._searches.labels(str(search.cache)).inc()
        self._blocks.labels("read").inc(search.tally.read)
        self._blocks.labels("computed").inc(search.tally.computed)
        if outcome.first is None:
            self._empty.labels(reason_of(outcome)).inc()
        else:
            self._away.observe(
                max(0.0, (moment_of(outcome.first) - search.question.now).total_seconds())
            )


def way_of(search: Search) -> str:
    """Says what a search had to do for its answer."""
    if search.bypass or search.loaded or search.cache in (Cache.MISS, Cache.PARTIAL):
        return "cold"
    return "cached" if search.tally.read or search.glimpsed else "warm"


def reason_of(outcome: Outcome) -> str:
    """Names why nothing was found."""
    clock = {
        "PAST": outcome.past,
        "SHORT_WINDOW": outcome.short,
        "NOTICE": outcome.notice,
        "HORIZON": outcome.horizon,
    }
    for name, holds in clock.items():
        if holds:
            return name
    if not outcome.reasons:
        return "NO_RESOURCES"
    return str(max(sorted(outcome.reasons), key=outcome.reasons.__getitem__))
