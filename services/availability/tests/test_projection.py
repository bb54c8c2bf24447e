"""What events say is kept the same, however many of them one transaction keeps."""

import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from services.availability.domain import Allocation, AllocationState, Place, Span
from services.availability.store import LedgerMove, Position, Projection

BEGUN = datetime(2027, 3, 1, tzinfo=UTC)
TABLES = ("allocation", "resource_generation", "day_stamp")


def moves_of(chance: random.Random) -> list[LedgerMove]:
    """Events of a few allocations: twice, late, with gaps, of two tenants."""
    moves = []
    for number in range(chance.randint(1, 40)):
        state = chance.choice(list(AllocationState))
        start = chance.randint(0, 4000)
        slot = Span(start, start + chance.randint(1, 2000))
        moment = BEGUN + timedelta(microseconds=chance.randint(0, 10**12))
        moves.append(
            LedgerMove(
                tenant=chance.choice(["acme", "globex"]),
                allocation=Allocation(
                    id=chance.choice(["a", "b", "c"]),
                    version=chance.randint(1, 6),
                    state=state,
                    resource_ids=tuple(chance.sample(["r1", "r2", 'r "3', "r,4"], 2)),
                    slot=slot,
                    occupied=Span(slot.start - 5, slot.end + 5),
                    expires_at=moment if state is AllocationState.HELD else None,
                    place=chance.choice([None, Place(52.5170365, -13.3888599)]),
                    service_type_id="visit",
                    booked_at=moment if state is AllocationState.ASSIGNED else None,
                ),
                generations={f"r{chance.randint(1, 3)}": chance.randint(1, 50)},
                position=number + 1,
            )
        )
    return moves


async def kept(database, batches: list[list[LedgerMove]]) -> list[list[tuple]]:
    """Applies events in these batches to empty tables; returns all that is in them then."""
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        for table in TABLES:
            admin.execute(f"DELETE FROM availability.{table}")
        projection = Projection(database.worker_url)
        async with projection.lead() as connection:
            assert connection is not None
            for batch in batches:
                last = batch[-1].position
                await projection.apply(connection, batch, Position("once", last))
        return [
            admin.execute(f"SELECT * FROM availability.{table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        ]


@pytest.mark.parametrize("seed", range(12))
async def test_many_events_at_once_are_kept_as_one_after_the_other(own_database, seed):
    moves = moves_of(random.Random(seed))
    one_by_one = await kept(own_database, [[move] for move in moves])
    assert all(one_by_one)
    assert await kept(own_database, [moves]) == one_by_one
