"""Wires notify: the bus, the writer of the feed, webhooks with their database, and the servicer."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from fairslot.notify.v1 import webhook_pb2_grpc

from kit.bus import open_bus
from kit.clock import SystemClock
from kit.db import open_pool, ready
from kit.service import Service
from kit.settings import ServiceSettings, load
from services.notify.engine import Courier, Hooks
from services.notify.listener import HookListener, Listener
from services.notify.rules import Networks
from services.notify.senders import FeedSender, open_hook_sender
from services.notify.servicer import WebhookServicer
from services.notify.store import Outgoing


class Settings(ServiceSettings):
    """What notify can be told, as FAIRSLOT_NOTIFY_<FIELD>."""

    # The database, as the service's role and as its worker's.
    database_url: str
    worker_database_url: str
    # Connections at most, of each role.
    database_connections: int = 4
    # Servers of NATS, comma separated.
    nats_url: str
    # How many copies NATS keeps of the feed; 3 in a cluster.
    stream_replicas: int = 1
    # Networks that webhooks may reach although they are not public, comma separated, such as
    # 127.0.0.0/8 on one's own machine; with any of them plain http is allowed too.
    webhook_networks: str = ""


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Yields notify, connected."""
    settings = load(Settings, env, service="notify")
    allowed, clock = Networks(settings.webhook_networks), SystemClock()
    size = settings.database_connections
    async with (
        open_pool(settings.database_url, size=size, application="notify", autocommit=True) as pool,
        open_pool(
            settings.worker_database_url, size=size, application="notify-worker", autocommit=True
        ) as worker_pool,
        open_bus(settings.nats_url, name="notify") as bus,
        open_hook_sender(allowed, clock) as hook_sender,
    ):
        feed = Listener(bus, FeedSender(bus, replicas=settings.stream_replicas))
        outgoing = Outgoing(worker_pool)
        courier = Courier(outgoing, hook_sender, chance=random.Random())
        hooks = Hooks(pool, allowed, os.urandom)
        yield Service(
            name="notify",
            settings=settings,
            register=(
                partial(
                    webhook_pb2_grpc.add_WebhookServiceServicer_to_server, WebhookServicer(hooks)
                ),
            ),
            tasks=(
                feed.run,
                HookListener(bus, outgoing, wake=courier.wake).run,
                courier.run,
                courier.forget,
            ),
            checks={"database": partial(ready, pool), "bus": bus.ready},
        )
