"""Thirty-two race for one slot, through Envoy, over two assignment processes: one wins, always."""

import asyncio
import itertools
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger

from bench.demo.recorder import Recorder, percentiles
from bench.history import Evidence, check
from client import Client, Refusal, methods, open_channel
from tests.e2e.callers import Tenant
from tests.e2e.shop import furnish

RACERS = 32
ROUNDS = 60
ROUNDS_OF_SOAK = 200
CHANNELS = 4
START = (datetime.now(UTC) + timedelta(days=10)).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass
class Race:
    """What came of all rounds."""

    winners: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    choices: list[int] = field(default_factory=list)


async def run(clients: list[Client], start: datetime, alternatives: int | None, race: Race) -> None:
    """Lets everybody ask for the same time of the same person at once."""
    won = 0

    async def ask(client: Client) -> None:
        nonlocal won
        request = ledger.PlaceHoldRequest(
            service_type_id="visit", resource_ids=["r1"], alternatives=alternatives
        )
        request.start.FromDatetime(start)
        begun = time.monotonic()
        try:
            await client.call(methods.PLACE_HOLD, request)
            won += 1
        except Refusal as refusal:
            race.reasons[refusal.reason] += 1
            race.choices.append(len(refusal.alternatives))
        race.seconds.append(time.monotonic() - begun)

    await asyncio.gather(*(ask(client) for client in clients))
    race.winners.append(won)


def patience() -> float:
    """The bounds are those of a quiet machine, which only who runs the test can promise.

    FAIRSLOT_QUIET=1 promises it; otherwise calls may take four times as long.
    """
    return 1.0 if os.environ.get("FAIRSLOT_QUIET") else 4.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(ROUNDS_OF_SOAK, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("alternatives", "slowest_seconds"), [(0, 0.25), (None, 1.0)], ids=["none", "default"]
)
async def test_there_is_one_winner_and_every_loser_is_told(
    tenant: Tenant, stack: Any, alternatives: int | None, slowest_seconds: float, rounds: int
) -> None:
    slowest_seconds *= patience()
    await asyncio.to_thread(furnish, tenant)
    recorder, race = Recorder(), Race()
    async with AsyncExitStack() as open_:
        channels = [
            await open_.enter_async_context(open_channel(stack.gateway)) for _ in range(CHANNELS)
        ]
        clients = [
            Client(channel, token=tenant.token("planner", f"racer-{number}"), observer=observer)
            for number, channel in zip(range(RACERS), itertools.cycle(channels), strict=False)
            for observer in [recorder.observer(number)]
        ]
        # One round that does not count: connections open, plans are prepared.
        await run(clients, START - timedelta(hours=2), alternatives, Race())
        for number in range(rounds):
            await run(clients, START + timedelta(hours=number), alternatives, race)
    figures = percentiles(race.seconds)
    print(f"\n{RACERS} racers, {rounds} rounds, alternatives {alternatives}: {figures} ms")
    assert race.winners == [1] * rounds
    assert race.reasons == {"SLOT_TAKEN": (RACERS - 1) * rounds}
    if alternatives is None:
        assert min(race.choices) > 0
    else:
        assert max(race.choices) == 0
    report = check(Evidence(ops=recorder.history()))
    assert report.violations == []
    assert max(race.seconds) < slowest_seconds
