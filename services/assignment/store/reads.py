"""Reads of the ledger: one thing, pages of things, and committed work by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, literal_column, select, tuple_

from kit.db import Pool, tenant_transaction
from services.assignment.domain import (
    Allocation,
    AllocationState,
    BookingRequest,
    Outcome,
    RequestState,
    Span,
    WorkloadRow,
)
from services.assignment.store.codec import allocation_of, outcome_of, request_of
from services.assignment.store.running import rows_of, told, value_of
from services.assignment.store.statements import Statement, compiled
from services.assignment.store.tables import MOMENT, allocation, allocation_record, request_now

# No slot is longer, so none that touches a window began earlier than this before it.
SLOT_LENGTH_MAX = timedelta(days=31)
LISTED = (AllocationState.ASSIGNED, AllocationState.COMPLETED)
EPOCH = date(1970, 1, 1)
# Says that a list goes by time: the indexes by time answer nothing that does not mention it.
EVER = literal_column("'-infinity'::timestamptz", MOMENT)

FIND_REQUEST = "SELECT assignment.find_request(%s::text, %s::text)"
FIND_ALLOCATION = "SELECT assignment.find_allocation(%s::text, %s::text, %s::bytea)"
WORKLOAD = (
    "SELECT resource_id, day, bookings, minutes, delivered, legacy FROM assignment.workload("
    "%s::text, %s::timestamptz, %s::timestamptz, %s::text, %s::text[])"
)
FIND_CUTOVER = "SELECT assignment.find_cutover(%s::text)"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and after which one the next page begins, if there is one."""

    items: tuple[Item, ...]
    last: tuple[datetime, str] | None


@dataclass(frozen=True, slots=True)
class FoundAllocation:
    """An allocation with its generations; `dead` says that it is a hold whose time is over."""

    outcome: Outcome
    dead: bool
    now: datetime


class Reads:
    """Reads one tenant's part of the ledger at a time."""

    def __init__(self, pool: Pool) -> None:
        """Takes a pool of connections that commit every statement by itself."""
        self._pool = pool
        # One statement for every combination of filters that was asked for: a few dozen at most.
        self._listings: dict[frozenset[str], Statement] = {}

    async def request(self, tenant: str, request_id: str) -> BookingRequest | None:
        """Returns a booking request as it stands now, if it exists."""
        record = await self._one(FIND_REQUEST, tenant, request_id)
        return None if record is None else request_of(record)

    async def allocation(
        self, tenant: str, allocation_id: str, *, token_hash: bytes | None = None
    ) -> FoundAllocation | None:
        """Returns an allocation, if it exists and, where a hash is given, that is its token's."""
        record = await self._one(FIND_ALLOCATION, tenant, allocation_id, token_hash)
        if record is None:
            return None
        return FoundAllocation(
            outcome=outcome_of(record),
            dead=record["dead"],
            now=datetime.fromisoformat(record["now"]),
        )

    async def requests(
        self,
        tenant: str,
        *,
        state: RequestState | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> Page[BookingRequest]:
        """Lists booking requests, oldest first."""
        values: dict[str, Any] = {"state": state.value} if state else {}
        if after:
            values |= {"after_at": after[0], "after_id": after[1]}
        statement = self._statement(frozenset({"requests", *values}))
        values |= {"tenant": tenant, "limit": limit + 1}
        rows = await self._many(tenant, statement, values)
        return page([(row[0], row[1], request_of(row[2])) for row in rows], limit)

    async def assignments(
        self,
        tenant: str,
        *,
        window: Span | None,
        resource_ids: Sequence[str],
        states: Sequence[AllocationState],
        booking_request_id: str,
        at_risk: bool = False,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> Page[Allocation]:
        """Lists assignments by start, then id; of a window, those whose slot touches it."""
        values: dict[str, Any] = {}
        if window:
            reach = window.start - SLOT_LENGTH_MAX
            values |= {"window_start": window.start, "window_end": window.end, "reach": reach}
        if resource_ids:
            values["resources"] = list(resource_ids)
        if booking_request_id:
            values["request"] = booking_request_id
        if after:
            values |= {"after_at": after[0], "after_id": after[1]}
        kind = {"assignments", "at_risk"} if at_risk else {"assignments"}
        statement = self._statement(frozenset({*kind, *values}))
        values |= {"tenant": tenant, "states": list(states or LISTED), "limit": limit + 1}
        rows = await self._many(tenant, statement, values)
        return page([(row[0], row[1], allocation_of(row[2])) for row in rows], limit)

    async def workload(
        self, tenant: str, window: Span, *, zone: str, resource_ids: Sequence[str]
    ) -> list[WorkloadRow]:
        """Returns committed work by resource and local day, of slots that touch the window."""
        chosen = list(resource_ids) or None
        with told():
            rows = await rows_of(
                self._pool, WORKLOAD, tenant, window.start, window.end, zone, chosen
            )
        return [
            WorkloadRow(resource_id, (day - EPOCH).days, bookings, minutes, delivered, legacy)
            for resource_id, day, bookings, minutes, delivered, legacy in rows
        ]

    async def cutover_date(self, tenant: str) -> date | None:
        """Returns the day from which on the tenant's fairness counts, if one was set."""
        found: date | None = await self._one(FIND_CUTOVER, tenant)
        return found

    async def _one(self, statement: str, *arguments: object) -> Any:
        with told():
            return await value_of(self._pool, statement, *arguments)

    async def _many(
        self, tenant: str, statement: Statement, values: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        with told():
            async with tenant_transaction(self._pool, tenant) as connection:
                cursor = await connection.execute(*statement(**values))
                return await cursor.fetchall()

    def _statement(self, filters: frozenset[str]) -> Statement:
        known = self._listings.get(filters)
        if known is None:
            build = _requests if "requests" in filters else _assignments
            self._listings[filters] = known = build(filters)
        return known


def _requests(filters: frozenset[str]) -> Statement:
    q = request_now.c
    statement = select(q.created_at, q.request_id, q.record).where(
        q.tenant_id == bindparam("tenant"), q.created_at >= EVER
    )
    if "state" in filters:
        statement = statement.where(q.state_now == bindparam("state"))
    if "after_at" in filters:
        statement = statement.where(tuple_(q.created_at, q.request_id) > _after())
    return compiled(statement.order_by(q.created_at, q.request_id).limit(bindparam("limit")))


def _assignments(filters: frozenset[str]) -> Statement:
    a = allocation.c
    statement = select(a.slot_start, a.allocation_id, allocation_record).where(
        a.tenant_id == bindparam("tenant"),
        a.state == any_(bindparam("states", type_=ARRAY(Text))),
        a.slot_start >= EVER,
    )
    if "window_start" in filters:
        statement = statement.where(
            a.slot_start >= bindparam("reach"),
            a.slot_start < bindparam("window_end"),
            a.slot_end > bindparam("window_start"),
        )
    if "resources" in filters:
        statement = statement.where(a.resource_ids.overlap(bindparam("resources")))
    if "at_risk" in filters:
        statement = statement.where(a.risks != literal_column("'[]'::jsonb"))
    if "request" in filters:
        statement = statement.where(a.request_id == bindparam("request"))
    if "after_at" in filters:
        statement = statement.where(tuple_(a.slot_start, a.allocation_id) > _after())
    return compiled(statement.order_by(a.slot_start, a.allocation_id).limit(bindparam("limit")))


def _after() -> ColumnElement[Any]:
    return tuple_(bindparam("after_at", type_=MOMENT), bindparam("after_id", type_=Text))


def page(rows: list[tuple[datetime, str, Item]], limit: int) -> Page[Item]:
    """Returns the first `limit` rows; one more was asked for, to know whether there is a next
    page.
    """
    shown = rows[:limit]
    last = (shown[-1][0], shown[-1][1]) if len(rows) > limit else None
    return Page(tuple(item for _, _, item in shown), last)
