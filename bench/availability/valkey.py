"""A Valkey of our own, to be killed, emptied and started again while others use it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import redis.asyncio
import redis.exceptions

from deploy.local.servers import valkey_path

HOST = "127.0.0.1"
START_SECONDS, LOOK_SECONDS = 10.0, 0.02


class Valkey:
    """One server on one port, alive or not."""

    def __init__(self, port: int) -> None:
        """Chooses where it will listen."""
        self._port = port
        self._child: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it listens while it lives."""
        return f"redis://{HOST}:{self._port}/0"

    async def start(self) -> None:
        """Starts it empty; returns when it answers."""
        self._child = await asyncio.create_subprocess_exec(
            str(valkey_path()),
            *("--port", str(self._port), "--bind", HOST, "--save", "", "--appendonly", "no"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_SECONDS), redis.asyncio.Redis.from_url(self.url) as client:
            while True:
                with contextlib.suppress(redis.exceptions.RedisError):
                    await client.ping()
                    return
                await asyncio.sleep(LOOK_SECONDS)

    async def kill(self) -> None:
        """Ends it without a word (SIGKILL)."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.wait()

    async def flush(self) -> None:
        """Makes it forget everything."""
        async with redis.asyncio.Redis.from_url(self.url) as client:
            await client.flushall()


@contextlib.asynccontextmanager
async def own_valkey() -> AsyncIterator[Valkey]:
    """Runs a Valkey until the block ends."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        made = Valkey(found.getsockname()[1])
    await made.start()
    try:
        yield made
    finally:
        await made.kill()
