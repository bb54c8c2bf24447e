"""Wires availability: settings, database, memory, the listeners, the relay and the servicers."""

import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2_grpc,
    schedule_pb2_grpc,
)
from psycopg.conninfo import make_conninfo

from kit.bus import open_bus
from kit.clock import SystemClock
from kit.db import open_pool, ready
from kit.flags import Flags
from kit.metrics import CallMetrics
from kit.outbox import Relay
from kit.service import Service
from kit.settings import ServiceSettings, load
from services.availability.engine import (
    Blocks,
    Checking,
    Counting,
    Daily,
    Editing,
    Figures,
    Gate,
    Glimpses,
    Insight,
    Reaching,
    Reading,
    Searching,
    Surveying,
    Warming,
    Worlds,
)
from services.availability.listener import CATALOG_STREAM, CATALOG_SUBJECTS, Follower, Projector
from services.availability.rules.expansions import Expansions
from services.availability.rules.zones import Zones
from services.availability.senders import encode
from services.availability.servicer import (
    AvailabilityServicer,
    CatalogServicer,
    ScheduleServicer,
)
from services.availability.store import Projection, Upkeep, WorldRows, open_blocks

# The flag that lets resources of a tenant serve together.
MERGING = "merging"
# Beyond every deadline: only what nobody waits for any more is ended by it.
SESSION = "-c statement_timeout=10s -c timezone=UTC"
# Questions that work out blocks at once, and how many more may wait to; the next is sent away.
COMPUTING_MAX, WAITING_MAX = 8, 2_000
# What callers ask of a process that has just begun.
ASKED_FIRST = (
    availability_pb2.SearchSlotsRequest,
    availability_pb2.SearchSlotMatrixRequest,
    availability_pb2.CheckPlanRequest,
)
VERSION_7, VARIANT = 0x7, 0x8000_0000_0000_0000


class Settings(ServiceSettings):
    """What availability can be told, as FAIRSLOT_AVAILABILITY_<FIELD>."""

    # The database, as the service's role and as its worker's.
    database_url: str
    worker_database_url: str
    # Connections at most; each is a process of PostgreSQL.
    database_connections: int = 6
    nats_url: str
    # Where processes share what they computed; empty: each computes for itself.
    redis_url: str = ""
    # How long Redis may take before we go on without it.
    redis_timeout_seconds: float = 0.05
    # How many servers keep each event.
    stream_replicas: int = 1


def new_id() -> str:
    """Returns a new id that sorts by time (UUIDv7)."""
    random = int.from_bytes(os.urandom(10))
    high = (time.time_ns() // 1_000_000) << 16 | VERSION_7 << 12 | random >> 68
    low = VARIANT | random & 0x3FFF_FFFF_FFFF_FFFF
    return str(uuid.UUID(int=high << 64 | low))


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Opens availability: it serves once its database, NATS and its own tables answer."""
    settings = load(Settings, env, service="availability")
    async with (
        open_pool(
            make_conninfo(settings.database_url, options=SESSION),
            size=settings.database_connections,
            application="availability",
            autocommit=True,
        ) as pool,
        open_bus(settings.nats_url, name="availability") as bus,
        open_blocks(settings.redis_url, timeout_seconds=settings.redis_timeout_seconds) as shared,
    ):
        await bus.ensure_stream(CATALOG_STREAM, CATALOG_SUBJECTS, replicas=settings.stream_replicas)
        clock, zones, flags = SystemClock(), Zones(), Flags(settings.flags_path)
        merging_on = partial(flags.on, MERGING, default=True)
        expansions = Expansions(zones)
        worlds = Worlds(WorldRows(pool), clock)
        follower = Follower(bus, worlds)
        await follower.begin()
        reading = Reading(pool, zones, clock)
        editing = Editing(pool, worlds, zones, new_id, clock)
        blocks = Blocks(shared, Gate(at_once=COMPUTING_MAX, waiting_max=WAITING_MAX), clock)
        glimpses = Glimpses(worlds, blocks, expansions)
        await glimpses.prepare()
        reaching = Reaching(worlds, editing, reading, pool, clock)
        surveying = Surveying(
            worlds, reaching, blocks, glimpses, expansions, clock=clock, merging_on=merging_on
        )
        calls, counting = CallMetrics(), Counting(pool, clock)
        searching = Searching(surveying, expansions, Figures(calls.registry))
        availability = AvailabilityServicer(
            searching,
            Checking(worlds, reaching, expansions, clock, merging_on=merging_on),
            Daily(searching, worlds, expansions, clock),
            Insight(pool, worlds, expansions, clock),
            counting,
        )
        relay = Relay(
            url=settings.worker_database_url, bus=bus, schema="availability", encode=encode
        )
        yield Service(
            name="availability",
            settings=settings,
            metrics=calls,
            compiled_ahead=ASKED_FIRST,
            register=(
                partial(
                    catalog_pb2_grpc.add_CatalogServiceServicer_to_server,
                    CatalogServicer(editing, reading),
                ),
                partial(
                    schedule_pb2_grpc.add_ScheduleServiceServicer_to_server,
                    ScheduleServicer(editing, reading),
                ),
                partial(
                    availability_pb2_grpc.add_AvailabilityServiceServicer_to_server, availability
                ),
            ),
            tasks=(
                relay.run,
                Projector(bus, Projection(settings.worker_database_url)).run,
                follower.follow_ledger,
                follower.follow_catalog,
                counting.run,
                Warming(worlds, blocks, expansions, clock).run,
                Upkeep(settings.worker_database_url).run,
            ),
            checks={"database": partial(ready, pool), "nats": bus.ready},
        )
