"""Shares blocks of free time between processes through Redis, which may be slow, empty or gone."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np
import redis.asyncio
import redis.exceptions

from kit.logs import logger
from services.availability.rules.intervals import Minutes
from services.availability.rules.slots import Grid

log = logger("availability")

# A block says all about itself under its key; the life only bounds what Redis keeps for nobody.
LIFE = timedelta(minutes=10)
LEASE_MILLISECONDS = 2_000
# What tenants are asked for is remembered for so long, and of so many tenants.
ASKED_LIFE, TENANTS_MAX = timedelta(hours=1), 1_000
TENANTS_KEY = "av-tenants"
# After so many failures in a row Redis is left alone for a while.
FAILURES_MAX, OPEN_SECONDS = 5, 1.0
CONNECTIONS_MAX = 8
# Rows, words of each row, and when it stops being good (milliseconds since 1970; 0: never).
HEAD = struct.Struct("<IIq")

Result = TypeVar("Result")
Client = redis.asyncio.Redis


@dataclass(frozen=True, slots=True)
class Saved:
    """A block as it is shared; good until the first hold in it ends."""

    key: str
    grid: Grid
    good_until: datetime | None

    def good_at(self, now: datetime) -> bool:
        """Says whether no hold in it has ended by now."""
        return self.good_until is None or now < self.good_until


class SharedBlocks:
    """Redis as a memory shared by processes. It never fails: at worst it knows nothing."""

    def __init__(self, client: Client | None) -> None:
        """Takes a client with short timeouts, or none to share nothing."""
        self._client = client
        self._failures = 0
        self._shut_until = 0.0

    async def read(self, keys: Sequence[str], now: datetime) -> dict[str, Saved]:
        """Gives those of the blocks that are there and still good at the moment."""
        none: list[bytes | None] = []
        found = await self._tried(lambda client: _many(client, keys), none) if keys else none
        blocks = (decoded(key, value) for key, value in zip(keys, found, strict=False))
        return {block.key: block for block in blocks if block is not None and block.good_at(now)}

    async def text(self, key: str) -> bytes | None:
        """Gives what is kept under a key."""
        none: list[bytes | None] = [None]
        return (await self._tried(lambda client: _many(client, [key]), none))[0]

    async def write(
        self, blocks: Sequence[Saved], texts: Mapping[str, bytes], now: datetime
    ) -> bool:
        """Keeps blocks, none longer than it is good, and texts; says whether that worked."""

        async def write(client: Client) -> bool:
            async with client.pipeline(transaction=False) as pipe:
                for key, text in texts.items():
                    pipe.set(key, text, px=LIFE)
                for block in blocks:
                    until = now + LIFE
                    if block.good_until is not None:
                        until = min(until, block.good_until)
                    life = int((until - now) / timedelta(milliseconds=1))
                    if life > 0:
                        pipe.set(block.key, encoded(block), px=life)
                await pipe.execute()
            return True

        return await self._tried(write, False)

    async def note(self, tenant: str, demand: float, text: bytes) -> bool:
        """Remembers for a while how much a tenant is asked, and for what."""

        async def note(client: Client) -> bool:
            async with client.pipeline(transaction=False) as pipe:
                pipe.set(asked_key(tenant), text, px=ASKED_LIFE)
                pipe.zadd(TENANTS_KEY, {tenant: demand})
                pipe.zremrangebyrank(TENANTS_KEY, 0, -TENANTS_MAX - 1)
                await pipe.execute()
            return True

        return await self._tried(note, False)

    async def noted(self, most: int) -> list[tuple[str, bytes]]:
        """Gives the tenants asked most, with what they are asked for."""

        async def noted(client: Client) -> list[tuple[str, bytes]]:
            ranked: list[bytes] = await client.zrevrange(TENANTS_KEY, 0, -1)  # type: ignore[assignment]
            names = [name.decode() for name in ranked]
            found: list[tuple[str, bytes]] = []
            gone: list[str] = []
            while names and len(found) < most:
                some, names = names[:most], names[most:]
                texts = await _many(client, [asked_key(name) for name in some])
                for name, text in zip(some, texts, strict=True):
                    if text is None:
                        gone.append(name)
                    else:
                        found.append((name, text))
            if gone:
                await client.zrem(TENANTS_KEY, *gone)
            return found[:most]

        nothing: list[tuple[str, bytes]] = []
        return await self._tried(noted, nothing)

    async def lease(self, key: str) -> bool:
        """Says whether the caller is the one to compute; so is everybody when Redis is away."""

        async def take(client: Client) -> bool:
            return bool(await client.set(f"lk:{key}", b"1", nx=True, px=LEASE_MILLISECONDS))

        return await self._tried(take, True)

    async def _tried(
        self, work: Callable[[Client], Awaitable[Result]], otherwise: Result
    ) -> Result:
        clock = asyncio.get_running_loop().time
        if self._client is None or clock() < self._shut_until:
            return otherwise
        try:
            result = await work(self._client)
        except (redis.exceptions.RedisError, OSError, TimeoutError, ValueError) as error:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                self._failures, self._shut_until = 0, clock() + OPEN_SECONDS
                log.warning("blocks are not shared for a while", error=repr(error))
            return otherwise
        self._failures = 0
        return result


@asynccontextmanager
async def open_blocks(url: str, *, timeout_seconds: float) -> AsyncIterator[SharedBlocks]:
    """Opens the way to Redis; it need not be there. No URL means to share nothing."""
    if not url:
        yield SharedBlocks(None)
        return
    client = redis.asyncio.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        max_connections=CONNECTIONS_MAX,
        retry=None,
        health_check_interval=0,
    )
    try:
        yield SharedBlocks(client)
    finally:
        await client.aclose()


def asked_key(tenant: str) -> str:
    """Gives the key of what a tenant is asked for."""
    return f"av:{tenant}:asked"


async def _many(client: Client, keys: Sequence[str]) -> list[bytes | None]:
    # The client decodes nothing, so that values are bytes.
    return [None if value is None else bytes(value) for value in await client.mget(keys)]  # type: ignore[arg-type]


def encoded(block: Saved) -> bytes:
    """Gives the bytes of a block: head, starts, bits."""
    rows, words = block.grid.free.shape
    until = 0 if block.good_until is None else int(block.good_until.timestamp() * 1000)
    return b"".join(
        (
            HEAD.pack(rows, words, until),
            block.grid.starts.astype("<i4").tobytes(),
            block.grid.free.astype("<u8").tobytes(),
        )
    )


def decoded(key: str, value: bytes | None) -> Saved | None:
    """Reads a block; none where it is not one of ours."""
    if value is None or len(value) < HEAD.size:
        return None
    rows, words, until = HEAD.unpack_from(value)
    middle = HEAD.size + 4 * rows
    if len(value) != middle + 8 * rows * words:
        return None
    # Copies: bits are marked where they lie.
    starts: Minutes = np.frombuffer(value, "<i4", rows, HEAD.size).astype(np.int32)
    bits = np.frombuffer(value, "<u8", rows * words, middle).astype(np.uint64)
    good_until = datetime.fromtimestamp(until / 1000, UTC) if until else None
    return Saved(key, Grid(starts, bits.reshape(rows, words)), good_until)
