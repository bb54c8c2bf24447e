"""Wires the gateway process: the bus, the hub of feeds, watches over gRPC, and plain HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
from fairslot.gateway.v1 import calendar_pb2_grpc
from starlette.routing import BaseRoute

from gateway.engine import Bounds, Calendars, Hub, Lookout
from gateway.peers import CalendarPeer, FeedPeer, PresencePeer
from gateway.servicer import (
    CalcomWebhook,
    CalendarServicer,
    PlannerServicer,
    Web,
    description,
    pages,
)
from gateway.store import CalendarSecrets, Inbox
from kit.bus import open_bus
from kit.channel import open_channel
from kit.clock import SystemClock
from kit.db import open_pool, ready
from kit.health import Check
from kit.service import Service
from kit.settings import ServiceSettings, load
from kit.signing import Signer


class Settings(ServiceSettings):
    """What the gateway can be told, as FAIRSLOT_GATEWAY_<FIELD>."""

    # Servers of NATS, comma separated.
    nats_url: str
    # Where plain HTTP is served: the page and calendar webhooks; port 0 takes any free one.
    http_address: str = "127.0.0.1:0"
    # The database, as the service's role and as its worker's; empty: calendars are not listened to.
    database_url: str = ""
    worker_database_url: str = ""
    # Connections at most, of each role.
    database_connections: int = 4
    # Where outside calendars' events are entered.
    availability_address: str = ""
    # The key that signs the tokens with which the gateway itself calls (PEM file), and its name in
    # the public set.
    signing_key_path: str = ""
    signing_key_id: str = "local"
    # The secrets of calendar webhooks by tenant: {"tenant": ["new", "old"]}.
    calendar_secrets_path: str = ""
    # Silence after which a watcher is told that the feed is alive.
    heartbeat_seconds: float = 15.0
    # How many changes may wait for one slow watcher.
    backlog_entries: int = 256
    # How many watchers one process takes.
    watchers_max: int = 20_000
    # How long a watch lives; its client then watches again. Connections live a little longer, which
    # also ends those whose client never reads.
    watch_seconds: float = 900.0
    # How long telling a watcher one thing may take; who reads nothing is cut off then.
    stuck_seconds: float = 20.0


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
        stuck_seconds=settings.stuck_seconds,
    )
    async with open_bus(settings.nats_url, name="gateway") as bus, AsyncExitStack() as stack:
        outside = await _calendars(settings, stack) if settings.database_url else Outside()
        peer = FeedPeer(bus)
        hub = Hub(peer, bounds, chance=random.Random())
        presence = PresencePeer(bus)
        web = Web(settings.http_address, [*outside.routes, *description(), *pages()])
        age_seconds = settings.watch_seconds + CONNECTION_EXTRA_SECONDS
        yield Service(
            name="gateway",
            settings=settings,
            register=(
                PlannerServicer(hub, presence, clock=SystemClock()).register,
                *outside.register,
            ),
            tasks=(hub.run, Lookout(presence, hub).run, web.run, *outside.tasks),
            checks={"feed": peer.ready, **outside.checks},
            options=(
                ("grpc.max_connection_age_ms", int(age_seconds * 1000)),
                ("grpc.max_connection_age_grace_ms", int(CONNECTION_GRACE_SECONDS * 1000)),
            ),
            on_leave=(hub.leave,),
        )


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What the process does for outside calendars; nothing where it has no database."""

    routes: tuple[BaseRoute, ...] = ()
    register: tuple[Callable[[grpc.aio.Server], None], ...] = ()
    tasks: tuple[Callable[[], Awaitable[None]], ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)


async def _calendars(settings: Settings, stack: AsyncExitStack) -> Outside:
    """Opens what calendar webhooks need."""
    size, clock = settings.database_connections, SystemClock()
    pool, worker_pool = [
        await stack.enter_async_context(
            open_pool(url, size=size, application=name, autocommit=True)
        )
        for url, name in (
            (settings.database_url, "gateway"),
            (settings.worker_database_url, "gateway-worker"),
        )
    ]
    channel = await stack.enter_async_context(open_channel(settings.availability_address))
    signer = Signer(
        await asyncio.to_thread(Path(settings.signing_key_path).read_text),
        key_id=settings.signing_key_id,
        issuer=settings.issuer,
        audience=settings.audience,
        clock=clock,
    )
    calendars = Calendars(pool, Inbox(worker_pool), CalendarPeer(channel, signer))
    secrets = CalendarSecrets(Path(settings.calendar_secrets_path))
    servicer = CalendarServicer(calendars)
    return Outside(
        routes=(CalcomWebhook(calendars, secrets, clock).route,),
        register=(partial(calendar_pb2_grpc.add_CalendarServiceServicer_to_server, servicer),),
        tasks=(calendars.run, calendars.forget),
        checks={"database": partial(ready, pool)},
    )
