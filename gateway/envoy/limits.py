"""What the edge lets through at most; each number may be set per deployment."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of the edge. The defaults suit one machine under a heavy demo."""

    calls_per_second_per_subject: int = 5_000  # one token bucket per (tenant, subject)
    calls_per_second: int = 20_000  # of one Envoy process, all callers together
    body_bytes: int = 1_048_576  # a larger request body is refused
    swallowed_bytes: int = 16_777_216  # read to its end before that refusal; beyond, cut off
    answer_bytes: int = 16_777_216  # a larger answer cannot be told as JSON
    connections: int = 10_000  # from clients
    streams_per_connection: int = 1_000  # concurrent calls and watches of one client connection
    concurrent_calls: int = 4_096  # to one service
    concurrent_watches: int = 20_000  # to the gateway process
    call_seconds: int = 15  # deadline of a call that names none
    longest_call_seconds: int = 30  # a later deadline is brought forward to this
    watch_idle_seconds: int = 60  # silence after which a watch is cut; heartbeats come every 15 s
    allowed_origin_regex: str = r"http://(localhost|127\.0\.0\.1)(:[0-9]+)?"  # for browsers
