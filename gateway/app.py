"""Wires the gateway process: the bus, the hub of feeds, watches over gRPC, and plain HTTP."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.engine import Bounds, Hub
from gateway.peers import FeedPeer
from gateway.servicer import PlannerServicer, Web, pages
from kit.bus import open_bus
from kit.clock import SystemClock
from kit.service import Service
from kit.settings import ServiceSettings, load


class Settings(ServiceSettings):
    """What the gateway can be told, as FAIRSLOT_GATEWAY_<FIELD>."""

    # Servers of NATS, comma separated.
    nats_url: str
    # Where plain HTTP is served: the page and calendar webhooks; port 0 takes any free one.
    http_address: str = "127.0.0.1:0"
    # Silence after which a watcher is told that the feed is alive.
    heartbeat_seconds: float = 15.0
    # How many changes may wait for one slow watcher.
    backlog_entries: int = 256
    # How many watchers one process takes.
    watchers_max: int = 20_000
    # How long a watch lives; its client then watches again. Connections live a little longer, which
    # also ends those whose client never reads.
    watch_seconds: float = 900.0


# What a connection lives longer than its watches, and what is left to them when it ends.
CONNECTION_EXTRA_SECONDS = 120.0
CONNECTION_GRACE_SECONDS = 60.0


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Yields the gateway, connected."""
    settings = load(Settings, env, service="gateway")
    bounds = Bounds(
        backlog_entries=settings.backlog_entries,
        watchers=settings.watchers_max,
        silence_seconds=settings.heartbeat_seconds,
        life_seconds=settings.watch_seconds,
    )
    async with open_bus(settings.nats_url, name="gateway") as bus:
        peer = FeedPeer(bus)
        hub = Hub(peer, bounds, chance=random.Random())
        web = Web(settings.http_address, pages())
        age_seconds = settings.watch_seconds + CONNECTION_EXTRA_SECONDS
        yield Service(
            name="gateway",
            settings=settings,
            register=(PlannerServicer(hub, clock=SystemClock()).register,),
            tasks=(hub.run, web.run),
            checks={"feed": peer.ready},
            options=(
                ("grpc.max_connection_age_ms", int(age_seconds * 1000)),
                ("grpc.max_connection_age_grace_ms", int(CONNECTION_GRACE_SECONDS * 1000)),
            ),
            on_leave=(hub.leave,),
        )
