"""Many watchers in one process, each noting when a change reached it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from fairslot.gateway.v1.planner_pb2 import Change, WatchChangesRequest

from kit.stopping import stopped

PATH = "/fairslot.gateway.v1.PlannerService/WatchChanges"
STREAMS_PER_CHANNEL = 500
# The least that gRPC lets a client take in unread.
UNREAD = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535))
REOPEN_SECONDS = 0.2


class Watcher:
    """One stream, and what came of it: by id of the thing, when."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self.seen: dict[str, float] = {}
        self.opened = asyncio.Event()
        self.code: grpc.StatusCode | None = None
        self.position = ""
        self._watch = channel.unary_stream(
            PATH,
            request_serializer=WatchChangesRequest.SerializeToString,
            response_deserializer=Change.FromString,
        )
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def once(self) -> None:
        """Watches until the stream ends."""
        request = WatchChangesRequest(resume_token=self.position)
        call = self._watch(request, metadata=self._metadata)
        try:
            async for change in call:
                self.opened.set()
                self.position = change.position
                if change.kind != Change.HEARTBEAT:
                    self.seen.setdefault(change.id, time.monotonic())
        except grpc.aio.AioRpcError as error:
            self.code = error.code()
        finally:
            call.cancel()

    async def ever(self) -> None:
        """Watches on after every end, from where it was."""
        while True:
            await self.once()
            await asyncio.sleep(REOPEN_SECONDS)

    def unread(self) -> grpc.aio.UnaryStreamCall[Any, Change]:
        """Opens a stream that nobody reads."""
        return self._watch(WatchChangesRequest(), metadata=self._metadata)


@contextlib.asynccontextmanager
async def channels(
    address: str, count: int, options: tuple[tuple[str, int], ...] = ()
) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Opens as many connections as so many streams need."""
    own = ("grpc.use_local_subchannel_pool", 1)
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(address, options=(own, *options))
            )
            for _ in range(-(-count // STREAMS_PER_CHANNEL))
        ]


@contextlib.asynccontextmanager
async def watching(
    address: str, token: str, count: int, *, again: bool = False
) -> AsyncIterator[list[Watcher]]:
    """Opens so many watches in a burst; yields them when each has heard or ended."""
    async with channels(address, count) as opened:
        watchers = [Watcher(opened[number % len(opened)], token) for number in range(count)]
        tasks = [asyncio.create_task(one.ever() if again else one.once()) for one in watchers]
        heard = [asyncio.create_task(one.opened.wait()) for one in watchers]
        try:
            for task, hears in zip(tasks, heard, strict=True):
                await asyncio.wait({task, hears}, return_when=asyncio.FIRST_COMPLETED, timeout=120)
            yield watchers
        finally:
            await stopped([*tasks, *heard])


def share(values: Sequence[float], part: float) -> float:
    """Returns the value that a part of the others does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
