"""A feed as notify writes it, a gateway that serves it, and watchers, for tests."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import grpc
from fairslot.gateway.v1 import planner_pb2, planner_pb2_grpc
from fairslot.notify.v1 import events_pb2

from gateway.app import open_service
from gateway.peers import FEED, SUBJECT
from kit.bus import Bus
from kit.event import Event
from kit.service import serving

Change = planner_pb2.Change


def bundle(*changes: Change, tenant: str = "acme") -> Event:
    body = events_pb2.ChangesPublished(changes=changes).SerializeToString()
    return Event(f"{SUBJECT}.{tenant}", body, {"Nats-Msg-Id": str(uuid.uuid4())})


def held(name: str, version: int = 1, *, topic: str = "holds", padding: int = 0) -> Change:
    change = Change(topic=topic, kind="HELD", id=name, version=version)
    if padding:
        change.payload.update({"text": "x" * padding})
    return change


async def new_feed(bus: Bus) -> None:
    """Makes the feed empty and new."""
    with contextlib.suppress(Exception):
        await bus.jetstream.delete_stream(FEED)
    await bus.ensure_stream(FEED, ["fairslot.notify.v1.>"], drop_old=True, whole=True)


def settings(servers, tokens, **more: object) -> dict[str, str]:
    plain = {
        "nats_url": servers.nats_url,
        "jwks_path": str(tokens.jwks_path),
        "grace_seconds": "0.5",
        **{key: str(value) for key, value in more.items()},
    }
    return {f"FAIRSLOT_GATEWAY_{key.upper()}": value for key, value in plain.items()}


@contextlib.asynccontextmanager
async def gateway(servers, tokens, **more: object) -> AsyncIterator[str]:
    """Serves a gateway; yields its address."""
    async with (
        open_service(settings(servers, tokens, **more)) as service,
        serving(service) as address,
    ):
        yield address


class Watch:
    """One watcher on a connection of its own."""

    def __init__(self, address, token, *, resume="", topics=(), options=(), together=False):
        own = ("grpc.use_local_subchannel_pool", 1)
        self.channel = grpc.aio.insecure_channel(address, options=(own, *options))
        request = planner_pb2.WatchChangesRequest(
            topics=topics, resume_token=resume, together=together
        )
        stub = planner_pb2_grpc.PlannerServiceStub(self.channel)
        self.call = stub.WatchChanges(request, metadata=(("authorization", f"Bearer {token}"),))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_exc):
        self.call.cancel()
        await self.channel.close()

    async def next(self, seconds: float = 10) -> Change:
        change = await asyncio.wait_for(self.call.read(), seconds)
        assert change is not grpc.aio.EOF
        return change

    async def some(self, count: int, seconds: float = 10) -> list[Change]:
        """Returns this many changes, without heartbeats."""
        found: list[Change] = []
        while len(found) < count:
            change = await self.next(seconds)
            if change.kind != Change.HEARTBEAT:
                found.append(change)
        return found
