"""Keeps runs of automatic assignment, what became of their tasks, and gaps."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Pool, retrying
from services.assignment.domain import AutoOutcome, AutoResult, AutoRun, AutoTask, Gap, WriteKey
from services.assignment.store.codec import request_of
from services.assignment.store.ledger import KEY, named
from services.assignment.store.reads import Page, page
from services.assignment.store.running import rows_of, told, value_of

BEGIN = f"SELECT assignment.begin_auto({KEY}, %s::text, %s::text[], %s::text, %s::int)"
FIND = "SELECT assignment.find_auto(%s::text, %s::text, %s::text)"
END = "SELECT assignment.end_auto(%s::text, %s::text, %s::text, %s::jsonb, %s::bool)"
RESULTS = "SELECT request_id, result FROM assignment.auto_results(%s::text, %s::text, %s::text[])"
GAPS = (
    "SELECT created_at, request_id, record, reasons, explanation, attempts, tried_at"
    " FROM assignment.gaps(%s::text, %s::timestamptz, %s::text, %s::int)"
)
START = datetime(1, 1, 1, tzinfo=UTC)


class Auto:
    """Reads and writes runs, tasks and gaps, one tenant at a time."""

    def __init__(self, pool: Pool) -> None:
        """Takes a pool of connections that commit every statement by itself."""
        self._pool = pool

    async def begin(
        self,
        key: WriteKey,
        *,
        run_id: str,
        request_ids: Sequence[str],
        policy: str,
        requests_max: int,
    ) -> AutoRun:
        """Queues a task for each request, or with none named for all that are OPEN."""
        answer = await self._run(
            BEGIN, *named(key), run_id, list(request_ids), policy, requests_max
        )
        return AutoRun(**answer["run"], replayed=bool(answer.get("replayed")))

    async def find(self, tenant: str, *, run_id: str, request_id: str) -> AutoTask | None:
        """Returns what is to be done for a task; None where it is done, or gone."""
        found = await self._run(FIND, tenant, run_id, request_id)
        return None if found is None else AutoTask(tenant, run_id, request_id, **found)

    async def end(self, task: AutoTask, result: AutoResult) -> None:
        """Writes down what became of a task; the first word on it stands."""
        said = {
            "outcome": result.outcome.value,
            "assignment_id": result.assignment_id,
            "reasons": dict(result.reasons),
            "explanation": result.explanation,
            "attempts": result.attempts,
        }
        await self._run(END, task.tenant, task.run_id, task.request_id, Jsonb(said), result.is_gap)

    async def results(
        self, tenant: str, run_id: str, *, known: Collection[str]
    ) -> list[AutoResult]:
        """Returns what became of the tasks that are not known yet, in the order of their ends."""
        with told():
            rows = await rows_of(self._pool, RESULTS, tenant, run_id, list(known))
        return [
            AutoResult(
                request_id=request_id,
                outcome=AutoOutcome(said["outcome"]),
                assignment_id=said["assignment_id"],
                reasons=said["reasons"],
                explanation=said["explanation"],
                attempts=said["attempts"],
            )
            for request_id, said in rows
        ]

    async def gaps(
        self, tenant: str, *, limit: int, after: tuple[datetime, str] | None
    ) -> Page[Gap]:
        """Lists open requests that could not be served, oldest first."""
        with told():
            rows = await rows_of(self._pool, GAPS, tenant, *(after or (START, "")), limit + 1)
        return page(
            [
                (
                    row[0],
                    row[1],
                    Gap(request_of(row[2]), row[3] or {}, row[4] or "", row[5] or 0, row[6]),
                )
                for row in rows
            ],
            limit,
        )

    async def _run(self, statement: str, *arguments: object) -> Any:
        with told():
            return await retrying(partial(value_of, self._pool, statement, *arguments))
