"""Counts and times calls, and serves the figures on /metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CallMetrics:
    """The figures every service keeps of its calls. One per service, each with a registry of its
    own.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "fairslot_rpc_total",
            "Calls served, by method, status and reason of refusal.",
            ("method", "code", "reason"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "fairslot_rpc_seconds",
            "How long unary calls took.",
            ("method",),
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )

    def observe(self, *, method: str, code: str, reason: str, seconds: float) -> None:
        """Adds one finished call."""
        self._calls.labels(method, code, reason).inc()
        self._seconds.labels(method).observe(seconds)


@contextmanager
def served(registry: CollectorRegistry, address: str) -> Iterator[None]:
    """Serves the registry over HTTP at `address`; nowhere if that is empty."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    server, thread = start_http_server(int(port), addr=host, registry=registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
