"""A wire to the database on which answers can be cut off, or swallowed without a word."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Passes everything on, unless told what becomes of answers.

    `answers` is "pass", "cut" (the connection ends instead of the answer) or "swallow" (the
    connection stays and its answers, from then on, never come).
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.answers = "pass"
        self.swallowed = 0
        self.ends: dict[asyncio.Task, list] = {}

    async def serve(self, reader, writer) -> None:
        own = self.ends.setdefault(asyncio.current_task(), [writer])
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(self.host, self.port)
            own.append(back)
            asking = asyncio.create_task(self._ask(reader, back))
            await self._answer(there, writer)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        self.hang_up(own)

    async def _ask(self, reader, back) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                back.write(data)
        # Whoever has hung up here has hung up there.
        back.transport.abort()

    async def _answer(self, there, writer) -> None:
        silent = False
        with contextlib.suppress(OSError):
            while data := await there.read(65536):
                if self.answers == "cut":
                    writer.transport.abort()
                    return
                # Of a stream with a piece missing nothing more may come.
                silent = silent or self.answers == "swallow"
                if silent:
                    self.swallowed += 1
                    continue
                writer.write(data)

    def hang_up(self, ends) -> None:
        for end in ends:
            end.transport.abort()


@contextlib.asynccontextmanager
async def wired(url: str):
    """A wire, and the URL of the database through it."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname, parts.port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    netloc = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    try:
        yield wire, urlunsplit(parts._replace(netloc=netloc))
    finally:
        server.close()
        for ends in wire.ends.values():
            wire.hang_up(ends)
        await asyncio.gather(*wire.ends, return_exceptions=True)
        # The loop closes what was hung up in its next turn.
        await asyncio.sleep(0.01)
