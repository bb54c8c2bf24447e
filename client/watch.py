"""Follows the change feed across lost connections, without a gap."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import grpc
from fairslot.gateway.v1.planner_pb2 import Change, WatchChangesRequest

from client.refusal import Refusal

PATH = "/fairslot.gateway.v1.PlannerService/WatchChanges"
# Every call has a deadline; a watch is simply opened again after this.
STREAM_SECONDS = 1800.0
# Two heartbeats missed and some: the connection is dead even if nobody says so.
SILENCE_SECONDS = 40.0
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0
FAILURES_MAX = 30

# The stream broke, not the question: open it again after the last change seen.
RESUMABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


async def watching(
    channel: grpc.aio.Channel,
    metadata: Sequence[tuple[str, str]],
    topics: Sequence[str],
    *,
    resume_token: str,
    heartbeats: bool,
    rng: random.Random,
) -> AsyncIterator[Change]:
    """Yields changes, opening the stream again whenever it breaks.

    Raises:
        Refusal: the watch is not allowed, or FAILURES_MAX openings in a row brought nothing.
    """
    opened = channel.unary_stream(
        PATH,
        request_serializer=WatchChangesRequest.SerializeToString,
        response_deserializer=Change.FromString,
    )
    failures = 0
    while True:
        # A gateway that does not know of it yet tells changes one by one.
        question = WatchChangesRequest(topics=topics, resume_token=resume_token, together=True)
        stream = opened(question, timeout=STREAM_SECONDS, metadata=metadata)
        guard = Guard(stream)
        try:
            async for first in stream:
                guard.heard()
                failures = 0
                for change in apart(first):
                    resume_token = change.position or resume_token
                    if heartbeats or change.kind != Change.HEARTBEAT:
                        yield change
        except grpc.aio.AioRpcError as error:
            if error.code() not in RESUMABLE or failures >= FAILURES_MAX:
                raise Refusal.of(error) from None
        except asyncio.CancelledError:
            # Cancelled by the guard means the stream fell silent; by anybody else, stop.
            if not guard.barked:
                raise
        finally:
            guard.dismiss()
            stream.cancel()
        failures += 1
        if failures > FAILURES_MAX:
            raise Refusal("UNAVAILABLE", grpc.StatusCode.UNAVAILABLE, "the feed stays silent", {})
        longest_seconds = min(BACKOFF_FIRST_SECONDS * 2**failures, BACKOFF_MAX_SECONDS)
        await asyncio.sleep(rng.random() * longest_seconds)


def apart(first: Change) -> Iterator[Change]:
    """Yields the changes of one message, each by itself."""
    more = list(first.more)
    # Who reads the first one need not see the others in it.
    first.ClearField("more")
    yield first
    yield from more


class Guard:
    """Cancels a stream that has been silent for too long."""

    def __init__(self, stream: grpc.aio.UnaryStreamCall[Any, Change]) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._heard_seconds = self._loop.time()
        self._timer = self._loop.call_later(SILENCE_SECONDS, self._look)
        self.barked = False

    def heard(self) -> None:
        """Notes that something came; cheap, because the timer is not touched."""
        self._heard_seconds = self._loop.time()

    def dismiss(self) -> None:
        """Stops watching the stream."""
        self._timer.cancel()

    def _look(self) -> None:
        left_seconds = self._heard_seconds + SILENCE_SECONDS - self._loop.time()
        if left_seconds > 0:
            self._timer = self._loop.call_later(left_seconds, self._look)
        else:
            self.barked = True
            self._stream.cancel()
