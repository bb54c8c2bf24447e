"""Webhooks as they are served, an endpoint that takes notes, and the calls of one caller."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import grpc
from aiohttp import web
from fairslot.notify.v1 import webhook_pb2 as pb
from fairslot.notify.v1 import webhook_pb2_grpc

from kit.fault import from_rpc_error
from kit.service import serving
from services.notify.app import open_service


@dataclass
class Receiver:
    """An endpoint of somebody's; answers what it is told, 204 unless told otherwise."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.got.append(({key.lower(): value for key, value in request.headers.items()}, body))
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, text="" if status == 204 else "no", headers=self.headers)

    async def until(self, count: int, seconds: float = 15) -> None:
        await until(lambda: len(self.got) >= count, seconds)


async def until(true, seconds: float = 15) -> None:
    """Waits until something is true; what it asks may be awaitable."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if await found if asyncio.iscoroutine(found) else found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not become true")


@contextlib.asynccontextmanager
async def receiving():
    """Runs an endpoint on a free port of this machine."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://localhost:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class Caller:
    """One caller's words for the calls."""

    channel: grpc.aio.Channel
    token: str

    async def __call__(self, name: str, request):
        """Makes the call; a refusal is raised as the fault it says."""
        stub = webhook_pb2_grpc.WebhookServiceStub(self.channel)
        metadata = [("authorization", f"Bearer {self.token}")]
        try:
            return await getattr(stub, name)(request, timeout=5, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def endpoint(self, url: str, **more):
        wanted = pb.Endpoint(url=url, **more)
        answer = await self("CreateEndpoint", pb.CreateEndpointRequest(endpoint=wanted))
        return answer.endpoint

    async def deliveries(self, **more):
        return list((await self("ListDeliveries", pb.ListDeliveriesRequest(**more))).deliveries)


def settings(servers, tokens, database, **more):
    plain = {
        "nats_url": servers.nats_url,
        "jwks_path": str(tokens.jwks_path),
        "database_url": database.url,
        "worker_database_url": database.worker_url,
        "grace_seconds": "0.2",
        **more,
    }
    return {f"FAIRSLOT_NOTIFY_{key.upper()}": value for key, value in plain.items()}


@contextlib.asynccontextmanager
async def notify(servers, tokens, database, **more):
    """Serves notify; yields a function from tenant and roles to a caller."""
    env = settings(servers, tokens, database, **more)
    async with (
        open_service(env) as service,
        serving(service) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):

        def caller(tenant="acme", roles=("admin",), sub="ada"):
            return Caller(channel, tokens.mint(tenant, roles, sub))

        yield caller
