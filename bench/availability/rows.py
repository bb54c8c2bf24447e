"""Every row of availability's table, in order."""

from collections.abc import AsyncIterator

from bench.availability import growth, kernel, load, serving
from bench.table import Bench, Row


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Measures the engine first, then the service."""
    for row in kernel.rows_of(bench):
        yield row
    async for row in serving.rows_of(bench):
        yield row
    async for row in load.rows_of(bench):
        yield row
    for row in growth.rows_of(bench):
        yield row
