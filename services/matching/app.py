"""Wires matching: settings, the channels to its two peers, the engine and the servicer."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fairslot.matching.v1 import matching_pb2_grpc

from kit.channel import open_channel
from kit.service import Service
from kit.settings import ServiceSettings, load
from services.matching.engine import Engine
from services.matching.engine.batch import Batches
from services.matching.engine.pool import open_pool
from services.matching.peers import AssignmentPeer, AvailabilityPeer
from services.matching.servicer import MatchingServicer


class Settings(ServiceSettings):
    """What matching can be told, as FAIRSLOT_MATCHING_<FIELD>."""

    # Where availability and assignment listen.
    availability_address: str
    assignment_address: str
    # Processes for joint plans, each started when first needed, and the threads each may use.
    solvers: int = 2
    solver_threads: int = 2


@asynccontextmanager
async def open_service(env: Mapping[str, str]) -> AsyncIterator[Service]:
    """Opens matching. It keeps nothing, so it is ready as soon as it listens."""
    settings = load(Settings, env, service="matching")
    async with (
        open_channel(settings.availability_address) as availability,
        open_channel(settings.assignment_address) as assignment,
        open_pool(settings.solvers) as pool,
    ):
        free, ledger = AvailabilityPeer(availability), AssignmentPeer(assignment)
        engine = Engine(availability=free, assignment=ledger)
        batches = Batches(
            availability=free,
            assignment=ledger,
            ledger=ledger,
            pool=pool,
            workers=settings.solver_threads,
            new_key=lambda: uuid.uuid4().hex,
        )
        servicer = MatchingServicer(engine, batches)
        yield Service(
            name="matching",
            settings=settings,
            register=(
                lambda server: matching_pb2_grpc.add_MatchingServiceServicer_to_server(
                    servicer, server
                ),
            ),
        )
