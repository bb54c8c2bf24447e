"""Matching under test for one tenant, between two foreign parties, and the ledger's stream."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fairslot.assignment.v1 import events_pb2, request_pb2
from fairslot.matching.v1 import matching_pb2
from google.type.interval_pb2 import Interval

from kit.bus import open_bus
from kit.event import Event
from services.matching.tests.wire import standing

# A machine with much to do is waited for.
SECONDS = 60.0
State = events_pb2.AllocationChanged.State


class Stage:
    """Matching under test for one tenant, and the ledger's stream."""

    def __init__(self, stub, seen, tokens, bus):
        self.stub, self.seen, self.tokens, self.bus = stub, seen, tokens, bus
        self.tenant = f"decides-{uuid.uuid4().hex[:10]}"

    async def ask(self, method, request, *, tenant="", roles=("planner",)):
        token = self.tokens.mint(tenant or self.tenant, list(roles))
        metadata = (("authorization", f"Bearer {token}"),)
        return await method(request, timeout=SECONDS, metadata=metadata)

    async def rank(self, **asked):
        return await self.ask(self.stub.RankCandidates, matching_pb2.RankCandidatesRequest(**asked))

    async def commit(self, candidate, **said):
        """Says, as the ledger would, that a candidate was assigned just now; returns its id."""
        return await self.tell(candidate, candidate.resource_ids, **said)

    async def tell(
        self,
        candidate,
        resource_ids,
        *,
        assignment_id="",
        state=State.ASSIGNED,
        previous_state=State.STATE_UNSPECIFIED,
        booking_request_id="",
        service_type_id="course",
        customer_hash="",
    ):
        """Says, as the ledger would, what became of an allocation in a candidate's slot."""
        changed = events_pb2.AllocationChanged(
            id=assignment_id or uuid.uuid4().hex,
            version=1,
            state=state,
            previous_state=previous_state,
            resources=[events_pb2.AllocatedResource(resource_id=name) for name in resource_ids],
            slot=Interval(start_time=candidate.start, end_time=candidate.end),
            service_type_id=service_type_id,
            booking_request_id=booking_request_id,
        )
        if customer_hash:
            wanted = request_pb2.BookingRequest(customer_hash=customer_hash)
            changed.request.CopyFrom(wanted)
        changed.at.FromDatetime(datetime.now(UTC))
        kind = events_pb2.AllocationChanged.DESCRIPTOR.full_name
        event = Event(f"{kind}.{self.tenant}", changed.SerializeToString())
        assert await self.bus.publish([event]) != [None]
        return changed.id

    async def until(self, read, done):
        async with asyncio.timeout(SECONDS):
            while not done(found := await read()):
                await asyncio.sleep(0.05)
            return found

    async def replayed(self, count, *, policy="v1", tenant=""):
        async def read():
            request = matching_pb2.ReplayDecisionsRequest(policy=policy)
            reply = await self.ask(self.stub.ReplayDecisions, request, tenant=tenant)
            return reply.comparison

        return await self.until(read, lambda found: found.decisions >= count)

    async def reported(self, count):
        async def read():
            request = matching_pb2.GetShadowReportRequest()
            return (await self.ask(self.stub.GetShadowReport, request)).comparisons

        return await self.until(read, lambda found: found and found[0].decisions >= count)


@asynccontextmanager
async def on_stage(world, tokens, kept, tmp_path):
    """Opens a stage; tenants that end in -s and -o have shadow policies."""
    flags = {"shadow-policy": {"default": ""}}
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(flags))
    async with open_bus(kept.nats_url, name="test") as bus:
        await bus.ensure_stream("ASSIGNMENT", ("fairslot.assignment.v1.>",))
        async with standing(world, tokens.jwks_path, kept, flags_path=str(path)) as (stub, seen):
            made = Stage(stub, seen, tokens, bus)
            flags["shadow-policy"]["tenants"] = {f"{made.tenant}-s": "v1", f"{made.tenant}-o": "v2"}
            path.write_text(json.dumps(flags))
            yield made
