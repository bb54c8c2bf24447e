"""Every row of matching's table, in order."""

from collections.abc import AsyncIterator

from bench.matching import joint, ranking, talks, technicians, yearly
from bench.table import Bench, Row


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Measures ranking on a stack, joint plans, a conference, technicians, and a fair year."""
    async for row in ranking.rows_of(bench):
        yield row
    for row in joint.rows_of(bench):
        yield row
    async for row in talks.rows_of(bench):
        yield row
    for row in technicians.rows_of(bench):
        yield row
    async for row in yearly.rows_of(bench):
        yield row
