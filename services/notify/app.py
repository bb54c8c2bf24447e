"""Wires notify: the bus, the writer of the feed, and what it listens to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from kit.bus import open_bus
from kit.service import Service
from kit.settings import ServiceSettings, load
from services.notify.listener import Listener
from services.notify.senders import FeedSender


class Settings(ServiceSettings):
    """What notify can be told."""

    # Servers of NATS, comma separated.
    nats_url: str
    # How many copies NATS keeps of the feed; 3 in a cluster.
    stream_replicas: int = 1


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Yields notify, connected."""
    settings = load(Settings, env, service="notify")
    async with open_bus(settings.nats_url, name="notify") as bus:
        sender = FeedSender(bus, replicas=settings.stream_replicas)
        yield Service(
            name="notify",
            settings=settings,
            register=(),
            tasks=(Listener(bus, sender).run,),
            checks={"bus": bus.ready},
        )
