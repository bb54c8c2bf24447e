"""The gateway's plain HTTP side: Starlette's routes on uvicorn, in the loop that serves gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).resolve().parent.parent / "static"
# What may be in the works at once; Envoy bounds it before.
REQUESTS_MAX = 1_024
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 2


class Web:
    """One HTTP server; its port is bound at once, so that it is known before it serves."""

    def __init__(self, address: str, routes: Sequence[BaseRoute]) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_server((host, int(port)), backlog=1_024)
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            Starlette(routes=[Route("/healthz", _alive), *routes]),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=REQUESTS_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._server = _Quiet(config)

    async def run(self) -> None:
        """Serves until it is cancelled."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        finally:
            self._server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await serving


class _Quiet(uvicorn.Server):
    """Leaves signals to the process that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def pages(folder: Path = STATIC) -> list[BaseRoute]:
    """Returns the routes of the built page, with its index at /; none where it is not built."""
    return [Mount("/", StaticFiles(directory=folder, html=True))] if folder.is_dir() else []


async def _alive(_request: Request) -> PlainTextResponse:
    """Answers the health checks of who sends requests here."""
    return PlainTextResponse("ok\n")
