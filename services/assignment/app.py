"""Wires assignment: settings, database, peers, the engine, the relay and the upkeep."""

import json
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fairslot.assignment.v1 import assignment_pb2_grpc, request_pb2_grpc
from psycopg.conninfo import make_conninfo

from kit.bus import open_bus
from kit.channel import open_channel
from kit.clock import SystemClock
from kit.db import open_pool, ready
from kit.flags import Flags
from kit.metrics import CallMetrics
from kit.outbox import Relay
from kit.service import Service
from kit.settings import ServiceSettings, load
from kit.signing import Signer
from services.assignment import store
from services.assignment.engine import (
    Assignments,
    AutoAssigning,
    Holds,
    Parts,
    Placements,
    Records,
    Requests,
    Risks,
)
from services.assignment.listener import CatalogListener, TaskListener
from services.assignment.peers import AvailabilityPeer, MatchingPeer
from services.assignment.rules import HoldLimits, uuid7
from services.assignment.senders import encode
from services.assignment.servicer import AssignmentServicer, RequestServicer
from services.assignment.store import Auto, Ledger, LedgerMetrics, Moves, Reads, Sealer, Upkeep

SCHEMA = "assignment"
STREAM = "ASSIGNMENT"
SUBJECTS = ("fairslot.assignment.v1.>",)
# The flag that lets requests of a tenant be assigned without a person.
AUTO_ASSIGN = "auto-assign"
# The timeout is beyond every deadline: only what nobody waits for any more is ended by it. Plans
# are made once and kept, for a write would spend a fifth of its time on planning; and those made
# while tables were small would read them whole when they are large: every statement here has an
# index to go by.
SESSION = (
    "-c statement_timeout=10s -c timezone=UTC -c plan_cache_mode=force_generic_plan"
    " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
)


class Settings(ServiceSettings):
    """What assignment can be told, as FAIRSLOT_ASSIGNMENT_<FIELD>."""

    # The database, as the service's role and as its worker's.
    database_url: str
    worker_database_url: str
    # Connections at most; each is a process of PostgreSQL.
    database_connections: int = 12
    nats_url: str
    # How many servers keep each event.
    stream_replicas: int = 1
    # Where availability and matching listen.
    availability_address: str
    matching_address: str
    # With what it signs its own calls to them, and the name of that key in the JWKS.
    signing_key_path: Path
    signing_key_id: str = "local"
    # Where each seal of the audit log is written besides, outside of the database; empty: nowhere.
    seals_path: str = ""
    # Requests that this process assigns at the same time.
    auto_assign_workers: int = 4
    # How long a hold lives, between which bounds, and how many a customer may have at once.
    hold_ttl_seconds: float = 90.0
    hold_ttl_seconds_min: float = 60.0
    hold_ttl_seconds_max: float = 120.0
    live_holds_per_customer: int = 5
    # JSON; for tenants with limits of their own: {"demo": {"hold_ttl_seconds_min": 2}}.
    tenant_limits: str = "{}"


LIMITS = {
    "hold_ttl_seconds": "ttl_seconds",
    "hold_ttl_seconds_min": "ttl_seconds_min",
    "hold_ttl_seconds_max": "ttl_seconds_max",
    "live_holds_per_customer": "live_holds_per_customer",
}


def limits_of(settings: Settings) -> tuple[HoldLimits, dict[str, HoldLimits]]:
    """Returns the limits for everybody, and those of tenants that have their own."""
    usual = {field: getattr(settings, name) for name, field in LIMITS.items()}
    own = json.loads(settings.tenant_limits)
    for tenant, values in own.items():
        unknown = values.keys() - LIMITS.keys()
        if unknown:
            raise ValueError(f"tenant_limits of {tenant!r} has unknown {sorted(unknown)}")
    return HoldLimits(**usual), {
        tenant: HoldLimits(**usual | {LIMITS[name]: value for name, value in values.items()})
        for tenant, values in own.items()
    }


def new_id() -> str:
    """Returns a new id that sorts by time."""
    return uuid7(milliseconds=time.time_ns() // 1_000_000, random=os.urandom(10))


def signer_of(settings: Settings) -> Signer:
    """Returns what signs the tokens that assignment calls with when nobody is calling it."""
    return Signer(
        settings.signing_key_path.read_text(),
        key_id=settings.signing_key_id,
        issuer=settings.issuer,
        audience=settings.audience,
        clock=SystemClock(),
    )


def auto_of(settings: Settings, parts: Parts, placements: Placements) -> AutoAssigning:
    """Returns what assigns without a person, for tenants for whom that is switched on."""
    is_on = partial(Flags(settings.flags_path).on, AUTO_ASSIGN, default=True)
    return AutoAssigning(parts, placements, random.SystemRandom(), is_on=is_on)


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Opens assignment: it serves once its database, NATS and its own tables answer."""
    settings = load(Settings, env, service="assignment")
    usual, own = limits_of(settings)
    async with (
        open_pool(
            make_conninfo(settings.database_url, options=SESSION),
            size=settings.database_connections,
            application="assignment",
            autocommit=True,
        ) as pool,
        open_bus(settings.nats_url, name="assignment") as bus,
        open_channel(settings.availability_address) as availability,
        open_channel(settings.matching_address) as matching,
    ):
        await bus.ensure_stream(STREAM, SUBJECTS, replicas=settings.stream_replicas)
        calls = CallMetrics()
        metrics = LedgerMetrics(calls.registry)
        ledger = Ledger(pool, metrics)
        parts = Parts(
            ledger=ledger,
            moves=Moves(ledger, pool),
            reads=Reads(pool),
            auto=Auto(pool),
            records=store.Records(pool),
            availability=AvailabilityPeer(availability),
            matching=MatchingPeer(matching),
            clock=SystemClock(),
            new_id=new_id,
            token_key=await ledger.hold_token_key(),
            limits=usual,
            limits_by_tenant=own,
        )
        signer = signer_of(settings)
        placements = Placements(parts)
        auto = auto_of(settings, parts, placements)
        encoded = metrics.counted(encode)
        relay = Relay(url=settings.worker_database_url, bus=bus, schema=SCHEMA, encode=encoded)
        upkeep = Upkeep(settings.worker_database_url, metrics)
        sealer = Sealer(settings.worker_database_url, settings.seals_path)
        tasks = TaskListener(
            bus,
            auto,
            signer,
            stream=STREAM,
            workers=settings.auto_assign_workers,
            rng=random.SystemRandom(),
        )
        catalog = CatalogListener(bus, settings.worker_database_url, Risks(parts), signer)
        requests = RequestServicer(Requests(parts), auto)
        assignments = AssignmentServicer(
            placements=placements,
            holds=Holds(parts),
            assignments=Assignments(parts),
            auto=auto,
            records=Records(parts),
        )
        yield Service(
            name="assignment",
            settings=settings,
            register=(
                partial(request_pb2_grpc.add_RequestServiceServicer_to_server, requests),
                partial(assignment_pb2_grpc.add_AssignmentServiceServicer_to_server, assignments),
            ),
            tasks=(relay.run, upkeep.run, sealer.run, tasks.run, catalog.run),
            checks={"database": partial(ready, pool), "nats": bus.ready},
            metrics=calls,
        )
