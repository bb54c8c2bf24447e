"""Counts what the ledger does, for /metrics."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kit.outbox import Encode
from services.assignment.domain import Outcome

BATCHES = (1, 2, 4, 8, 16, 24)


class LedgerMetrics:
    """The ledger's figures. Rates are for whoever reads them: collisions are writes with outcome
    SLOT_TAKEN among all, conversion is holds that ended ASSIGNED among those that ended.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Registers the figures; without a registry they are kept for nobody."""
        known = registry or CollectorRegistry()
        self._writes = Counter(
            "fairslot_ledger_writes_total",
            "Writes answered for the first time, by method; outcome OK, or the refusal's reason.",
            ("method", "outcome"),
            registry=known,
        )
        self._replays = Counter(
            "fairslot_ledger_replays_total",
            "Writes answered with what their key had been answered before.",
            ("method",),
            registry=known,
        )
        self._retries = Counter(
            "fairslot_ledger_retries_total",
            "Transactions that PostgreSQL undid for others' sake and that were tried again.",
            ("sqlstate",),
            registry=known,
        )
        self._together = Histogram(
            "fairslot_ledger_commits_together",
            "Placements in one transaction, where several came at once.",
            buckets=BATCHES,
            registry=known,
        )
        self._steps = Counter(
            "fairslot_allocation_steps_total",
            "Steps of allocations that were published, from which state to which; of the relay's"
            " leader.",
            ("before", "after"),
            registry=known,
        )
        self._pending = Gauge(
            "fairslot_outbox_pending",
            "Events that are committed and not yet published; of the sweeper's leader.",
            registry=known,
        )
        self._lag = Gauge(
            "fairslot_outbox_lag_seconds",
            "How long the oldest of these has waited.",
            registry=known,
        )

    def written(self, method: str, outcome: Outcome) -> None:
        """Adds one write that was answered."""
        if outcome.replayed:
            self._replays.labels(method).inc()
        else:
            reason = outcome.refusal.reason if outcome.refusal else "OK"
            self._writes.labels(method, reason).inc()

    def retried(self, error: Exception) -> None:
        """Adds one transaction that is tried again."""
        self._retries.labels(getattr(error, "sqlstate", None) or "").inc()

    def together(self, count: int) -> None:
        """Adds one transaction of several placements."""
        self._together.observe(count)

    def counted(self, encode: Encode) -> Encode:
        """Returns an encoder of events that counts steps of allocations on their way out."""

        def counting(type_name: str, payload: Mapping[str, Any]) -> bytes:
            after = payload.get("state")
            if after:
                self._steps.labels(payload.get("previous_state", ""), after).inc()
            return encode(type_name, payload)

        return counting

    def outbox(self, *, pending: int, lag_seconds: float) -> None:
        """Notes how much is waiting to be published, and for how long."""
        self._pending.set(pending)
        self._lag.set(lag_seconds)
