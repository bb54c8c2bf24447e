"""One small team, and what it takes to rank in it and to compare its people."""

from dataclasses import replace

from services.matching.domain import Month
from services.matching.engine import Engine, FairnessCall, RankCall
from services.matching.tests.worlds import (
    Calls,
    World,
    WorldAssignment,
    WorldAvailability,
    WorldCustomers,
    at,
    person,
    table,
)

START = at("2027-03-01T08:00")


def team(**changes) -> World:
    plain = World(
        window=(START, START + 30 * 1440),
        resources=(person("ada"), person("bo"), table("t1", 4)),
        free={START: frozenset({"ada"}), START + 1440: frozenset({"ada", "bo"})},
        offered={
            (name, month): 20
            for name in ("ada", "bo")
            for month in (Month(2027, 3), Month(2027, 4))
        },
    )
    return replace(plain, **changes)


async def rank(world: World, **asked):
    calls = Calls()
    engine = Engine(
        availability=WorldAvailability(world, calls),
        assignment=WorldAssignment(world, calls),
        customers=WorldCustomers(world, calls),
    )
    if "booking_request_id" not in asked:
        asked.setdefault("question", world.question)
    return await engine.rank(RankCall(**asked)), calls


async def fair(world: World, month: Month, **asked):
    calls = Calls()
    engine = Engine(
        availability=WorldAvailability(world, calls), assignment=WorldAssignment(world, calls)
    )
    return await engine.fairness(FairnessCall(month=month, **asked)), calls
