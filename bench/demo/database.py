"""Reads the ledger's own tables after a run: the truth that everybody else is compared with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from bench.history import Allocation, Event

ALLOCATION_CHANGED = "fairslot.assignment.v1.AllocationChanged"
SECONDS_PER_MINUTE = 60

# Live allocations of one resource whose times overlap: each is compared with all before it.
DOUBLE_BOOKINGS = """
SELECT count(*) FROM (
    SELECT a.occupied_start, max(a.occupied_end) OVER (
        PARTITION BY n.no ORDER BY a.occupied_start, a.occupied_end, a.allocation_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until
    FROM assignment.allocation AS a CROSS JOIN LATERAL unnest(a.resource_nos) AS n (no)
    WHERE a.tenant_id = %(tenant)s AND (a.state IN ('ASSIGNED', 'COMPLETED')
        OR (a.state = 'HELD' AND a.hold_expires_at > clock_timestamp()))) AS taken
WHERE taken.occupied_start < taken.busy_until
"""

# Live allocations that their request does not point to, requests that point to none that lives,
# claims of no live allocation, and live allocations that lack a claim.
ORPHANS = """
WITH live AS (
    SELECT * FROM assignment.allocation
    WHERE tenant_id = %(tenant)s AND state IN ('HELD', 'ASSIGNED', 'COMPLETED')
), request AS (
    SELECT * FROM assignment.request WHERE tenant_id = %(tenant)s
), claim AS (
    SELECT * FROM assignment.claim WHERE tenant_id = %(tenant)s
)
SELECT (SELECT count(*) FROM live LEFT JOIN request USING (request_id)
        WHERE live.request_id IS NOT NULL
          AND request.allocation_id IS DISTINCT FROM live.allocation_id)
     + (SELECT count(*) FROM request LEFT JOIN live USING (allocation_id)
        WHERE request.allocation_id IS NOT NULL AND live.allocation_id IS NULL)
     + (SELECT count(*) FROM claim LEFT JOIN live USING (allocation_id)
        WHERE live.allocation_id IS NULL)
     + (SELECT count(*) FROM live CROSS JOIN LATERAL unnest(live.resource_nos) AS n (no)
        LEFT JOIN claim ON claim.allocation_id = live.allocation_id AND claim.resource_no = n.no
        WHERE claim.allocation_id IS NULL)
"""

ALLOCATIONS = """
SELECT allocation_id, state, resource_ids, slot_start, slot_end, occupied_start, occupied_end,
       coalesce(request_id, '')
FROM assignment.allocation WHERE tenant_id = %(tenant)s
"""

EVENTS = """
SELECT payload, at FROM assignment.outbox
WHERE tenant_id = %(tenant)s AND type = %(type)s ORDER BY id
"""

UNSETTLED = """
SELECT (SELECT count(*) FROM assignment.allocation
        WHERE tenant_id = %(tenant)s AND state = 'HELD')
     + (SELECT count(*) FROM assignment.outbox WHERE tenant_id = %(tenant)s AND NOT published)
"""


@dataclass(frozen=True)
class Truth:
    """What the database says at the end."""

    double_bookings: int
    orphaned_allocations: int
    allocations: list[Allocation]
    events: list[Event]
    # Every change that a watcher of holds and assignments must have received.
    changes: list[tuple[str, str, int]]
    # When the last of these was committed, in seconds since the epoch.
    last_commit: float


def read_truth(database_url: str, tenant: str) -> Truth:
    """Reads everything about one tenant."""
    with psycopg.connect(database_url) as connection:

        def count(query: Any) -> int:
            row = connection.execute(query, {"tenant": tenant}).fetchone()
            return int(row[0]) if row else 0

        payloads = connection.execute(EVENTS, {"tenant": tenant, "type": ALLOCATION_CHANGED})
        pairs = [(payload, at.timestamp()) for payload, at in payloads]
        return Truth(
            double_bookings=count(DOUBLE_BOOKINGS),
            orphaned_allocations=count(ORPHANS),
            allocations=[
                allocation_of(row) for row in connection.execute(ALLOCATIONS, {"tenant": tenant})
            ],
            events=[event_of(payload, at) for payload, at in pairs],
            changes=[change for payload, _ in pairs for change in changes_of(payload)],
            last_commit=max((at for _, at in pairs), default=0.0),
        )


def unsettled(database_url: str, tenant: str) -> int:
    """Counts live holds and events that are still on their way."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(UNSETTLED, {"tenant": tenant}).fetchone()
    return int(row[0]) if row else 0


def allocation_of(row: tuple[Any, ...]) -> Allocation:
    """Reads one row of ALLOCATIONS."""
    name, state, resource_ids, slot_start, slot_end, occupied_start, occupied_end, request = row
    return Allocation(
        id=name,
        state=state,
        resource_ids=tuple(resource_ids),
        start=minute(slot_start),
        end=minute(slot_end),
        taken=(minute(occupied_start), minute(occupied_end)),
        booking_request_id=request,
    )


def event_of(payload: dict[str, Any], at: float) -> Event:
    """Reads one event of an allocation."""
    occupied = payload["occupied"]
    expires_at = payload.get("expires_at")
    return Event(
        id=payload["id"],
        version=payload["version"],
        state=payload["state"],
        resource_ids=tuple(one["resource_id"] for one in payload["resources"]),
        taken=(
            minute(datetime.fromisoformat(occupied["start_time"])),
            minute(datetime.fromisoformat(occupied["end_time"])),
        ),
        at=at,
        expires_at=datetime.fromisoformat(expires_at).timestamp() if expires_at else float("inf"),
    )


def changes_of(payload: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Tells which changes one event means to a watcher of holds and assignments.

    A hold that becomes an assignment changes both.
    """
    state, before = payload["state"], payload.get("previous_state")
    known = (payload["id"], payload["version"])
    if state in {"HELD", "RELEASED", "EXPIRED"} or before == "HELD":
        yield ("holds", *known)
    if state in {"ASSIGNED", "CANCELLED", "COMPLETED"}:
        yield ("assignments", *known)


def minute(moment: datetime) -> int:
    """Tells a whole minute since the epoch."""
    return int(moment.timestamp()) // SECONDS_PER_MINUTE
