"""Counts what matching decided, for /metrics."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from kit.outbox import Encode
from services.matching.store.decisions import DECISION_MADE


class DecisionMetrics:
    """Figures of decisions. How often the first pick was taken says how well a policy's order is
    trusted.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers the figures."""
        self._decisions = Counter(
            "fairslot_decisions_total",
            "Assignments that a ranking led to, by its policy and whether its first pick was taken;"
            " counted by the relay's leader.",
            ("policy", "first_pick"),
            registry=registry,
        )

    def counted(self, encode: Encode) -> Encode:
        """Returns an encoder of events that counts decisions on their way out."""

        def counting(type_name: str, payload: Mapping[str, Any]) -> bytes:
            if type_name == DECISION_MADE:
                first = str(payload["rank"] == 1).lower()
                self._decisions.labels(payload["policy"], first).inc()
            return encode(type_name, payload)

        return counting
