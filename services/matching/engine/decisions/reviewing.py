"""Looks back: past decisions under another policy, and how the shadow did."""

from collections import defaultdict
from contextlib import aclosing
from datetime import datetime, timedelta

from kit.clock import Clock
from services.matching.domain import Window
from services.matching.engine.decisions.comparing import (
    CompareJob,
    Comparison,
    Past,
    Pick,
    compare_all,
)
from services.matching.engine.decisions.verdicts import Compared, Verdict, verdict
from services.matching.engine.pool import Done, Pool
from services.matching.engine.ranking import known_policy
from services.matching.store import Decisions

DEFAULT_DECISIONS = 200
DEFAULT_DIFFERENCES = 50
# Pairs that one report reads at most.
PAIRS_MAX = 20_000
REPLAYED_SINCE = timedelta(days=30)
REPORTED_SINCE = timedelta(days=7)


class Reviewing:
    """Reads what was kept; writes nothing."""

    def __init__(self, decisions: Decisions, pool: Pool, clock: Clock) -> None:
        """Takes what was kept, where to decide again, and the time."""
        self._decisions = decisions
        self._pool = pool
        self._clock = clock

    async def replay(self, tenant: str, window: Window, policy: str, *, limit: int) -> Verdict:
        """Decides what was committed in the window again, by another policy.

        Raises Invalid for an unknown policy.
        """
        other = known_policy(policy).name
        span = self._span(window, REPLAYED_SINCE)
        kept = await self._decisions.decided(tenant, span, limit=limit)
        job = CompareJob(
            tuple(Past(one.inputs, one.policy, Pick.of_json(one.pick)) for one in kept), other
        )
        comparisons = await self._compared(job)
        deciding = kept[0].policy if kept else ""
        return verdict(
            deciding,
            other,
            [
                Compared(one.at, one.booking_request_id, comparison, committed=True)
                for one, comparison in zip(kept, comparisons, strict=True)
            ],
        )

    async def report(self, tenant: str, window: Window) -> list[Verdict]:
        """Sums up the shadow's pairs of the window, per pair of policies, the latest first."""
        span = self._span(window, REPORTED_SINCE)
        by_policies: dict[tuple[str, str], list[Compared]] = defaultdict(list)
        for pair in await self._decisions.pairs(tenant, span, limit=PAIRS_MAX):
            comparison = Comparison.of_json(pair.comparison)
            by_policies[pair.deciding_policy, pair.other_policy].append(
                Compared(pair.at, "", comparison, pair.committed)
            )
        return [verdict(*policies, compared) for policies, compared in by_policies.items()]

    def _span(self, window: Window, since: timedelta) -> tuple[datetime, datetime]:
        end = window.end or self._clock.now()
        return window.start or end - since, end

    async def _compared(self, job: CompareJob) -> tuple[Comparison, ...]:
        async with aclosing(self._pool.run(compare_all, job)) as run:
            async for said in run:
                if isinstance(said, Done):
                    return said.answer
        raise AssertionError("a job ends with its answer or raises")
