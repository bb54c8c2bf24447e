"""Wires matching: settings, peers, database, what it listens to, the engine and the servicer."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from fairslot.matching.v1 import matching_pb2_grpc
from psycopg.conninfo import make_conninfo

from kit.bus import Bus, open_bus
from kit.channel import open_channel
from kit.clock import Clock, SystemClock
from kit.db import Pool, ready
from kit.db import open_pool as open_database
from kit.flags import Flags
from kit.metrics import CallMetrics
from kit.outbox import Relay
from kit.service import Service
from kit.settings import ServiceSettings, load
from kit.signing import Signer
from services.matching.engine import Engine
from services.matching.engine.batch import Batches
from services.matching.engine.decisions import Recorder, Reviewing
from services.matching.engine.pool import open_pool
from services.matching.listener import Drifting, Linker
from services.matching.peers import AssignmentPeer, AvailabilityPeer
from services.matching.rules.policies import DECIDING_POLICY
from services.matching.senders import encode
from services.matching.servicer import MatchingServicer
from services.matching.store import (
    CustomerRows,
    DecisionMetrics,
    Decisions,
    Records,
    SettingsRows,
    Standings,
    Upkeep,
)

STREAM = "MATCHING"
SUBJECTS = ("fairslot.matching.v1.>",)
# The flag that says which policy decides for a tenant.
POLICY = "policy"
# Beyond every deadline: only what nobody waits for any more is ended by it.
SESSION = "-c statement_timeout=10s -c timezone=UTC"
# What keeps decisions writes one statement at a time, beside who links them.
WORKER_CONNECTIONS = 2


class Settings(ServiceSettings):
    """What matching can be told, as FAIRSLOT_MATCHING_<FIELD>."""

    # The database, as the service's role and as its worker's.
    database_url: str
    worker_database_url: str
    # Connections at most; each is a process of PostgreSQL.
    database_connections: int = 3
    nats_url: str
    # Where availability and assignment listen.
    availability_address: str
    assignment_address: str
    # Processes for joint plans, each started when first needed, and the threads each may use.
    solvers: int = 2
    solver_threads: int = 2
    # The key that signs matching's own calls (PEM); empty: nobody is told who leaves tolerance.
    signing_key_path: str = ""
    signing_key_id: str = "local"
    # How many servers keep each event.
    stream_replicas: int = 1


def new_key() -> str:
    """Gives an idempotency key of our own."""
    return uuid.uuid4().hex


def databases(
    settings: Settings,
) -> tuple[AbstractAsyncContextManager[Pool], AbstractAsyncContextManager[Pool]]:
    """Opens connections as the service's role, and as its worker's."""
    return (
        open_database(
            make_conninfo(settings.database_url, options=SESSION),
            size=settings.database_connections,
            application="matching",
        ),
        open_database(
            make_conninfo(settings.worker_database_url, options=SESSION),
            size=WORKER_CONNECTIONS,
            application="matching-worker",
            autocommit=True,
        ),
    )


def drifting_of(
    settings: Settings, bus: Bus, engine: Engine, standings: Standings, clock: Clock
) -> tuple[Callable[[], Awaitable[None]], ...]:
    """Returns what tells of those who leave tolerance, where there is a key to ask with."""
    if not settings.signing_key_path:
        return ()
    signer = Signer(
        Path(settings.signing_key_path).read_text(),
        key_id=settings.signing_key_id,
        issuer=settings.issuer,
        audience=settings.audience,
        clock=clock,
    )
    return (Drifting(bus, engine, standings, signer).run,)


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Opens matching: it serves once its database and NATS answer."""
    settings = load(Settings, env, service="matching")
    calls, work = databases(settings)
    async with (
        calls as database,
        work as background,
        open_bus(settings.nats_url, name="matching") as bus,
        open_channel(settings.availability_address) as availability,
        open_channel(settings.assignment_address) as assignment,
        open_pool(settings.solvers) as solvers,
        # Shadows never wait for joint plans, nor these for them.
        open_pool(1) as comparers,
    ):
        clock, flags = SystemClock(), Flags(settings.flags_path)
        free, ledger = AvailabilityPeer(availability), AssignmentPeer(assignment)
        customers = CustomerRows(database)
        records = Records(background, settings.worker_database_url)
        recorder = Recorder(
            records=records,
            availability=free,
            assignment=ledger,
            customers=customers,
            pool=comparers,
            clock=clock,
            flag=partial(flags.text, default=""),
        )
        batches = Batches(
            availability=free,
            assignment=ledger,
            ledger=ledger,
            customers=customers,
            travel=free,
            keep=recorder.keep_planned,
            pool=solvers,
            workers=settings.solver_threads,
            new_key=new_key,
        )
        engine = Engine(
            availability=free,
            assignment=ledger,
            customers=customers,
            note=recorder.note,
            settings=SettingsRows(database),
            policy_of=partial(flags.text, POLICY, default=DECIDING_POLICY),
        )
        reviewing = Reviewing(Decisions(database), solvers, clock)
        servicer = MatchingServicer(engine, batches, reviewing)
        await bus.ensure_stream(STREAM, SUBJECTS, replicas=settings.stream_replicas)
        figures = CallMetrics()
        encoded = DecisionMetrics(figures.registry).counted(encode)
        relay = Relay(url=settings.worker_database_url, bus=bus, schema="matching", encode=encoded)
        standings = Standings(database, settings.worker_database_url)
        linker = Linker(bus, records, clock)
        yield Service(
            name="matching",
            settings=settings,
            metrics=figures,
            register=(partial(matching_pb2_grpc.add_MatchingServiceServicer_to_server, servicer),),
            tasks=(
                recorder.keep,
                recorder.shadow,
                Upkeep(settings.worker_database_url).run,
                linker.run,
                relay.run,
                *drifting_of(settings, bus, engine, standings, clock),
            ),
            checks={"database": partial(ready, database), "nats": bus.ready},
        )
