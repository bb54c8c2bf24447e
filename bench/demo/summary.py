"""Adds a run up: what is written to demo.json, and whether every promise was kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.demo.database import Truth
from bench.demo.planner import Planner
from bench.demo.recorder import percentiles
from bench.demo.tally import Tally
from bench.history import Report

LATE_MAX_SECONDS = 1.0

# What the newest change of a thing must say, by the state in which the ledger has it.
HOLD_KINDS = {
    "HELD": "HELD",
    "RELEASED": "RELEASED",
    "EXPIRED": "EXPIRED",
    "ASSIGNED": "CONFIRMED",
    "CANCELLED": "CONFIRMED",
    "COMPLETED": "CONFIRMED",
}
ASSIGNMENT_STATES = frozenset({"ASSIGNED", "CANCELLED", "COMPLETED"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that one run brought to light."""

    tally: Tally
    truth: Truth
    report: Report
    planners: Sequence[Planner]
    fairness: Mapping[str, Any]
    latency_ms: Mapping[str, Mapping[str, float]]
    booking_seconds: float
    seconds: float


def summarised(outcome: Outcome) -> dict[str, Any]:
    """Makes the content of demo.json."""
    tally, truth, report = outcome.tally, outcome.truth, outcome.report
    doubled = sum(map(report.count, ("double hold", "double booking")))
    return {
        "requests": tally.requests,
        "held": tally.held,
        "confirmed": tally.confirmed,
        "left_to_expire": tally.forgotten,
        "seated_by_resources": seated_by_resources(truth),
        "cancelled": tally.cancelled,
        "refused": dict(tally.refused.most_common()),
        "conflicts": tally.conflicts,
        "double_bookings": max(truth.double_bookings, doubled),
        "orphaned_allocations": truth.orphaned_allocations,
        "lost_acks": report.count("lost ack"),
        "idempotency_replays": report.replays,
        "idempotency_violations": report.count("replay") + report.count("not once"),
        "other_violations": sum(
            map(report.count, ("ghost", "resurrection", "log", "stale read", "feed"))
        ),
        "changes_expected": len(truth.changes),
        "changes_missing_per_watcher": [
            report.feeds[planner.name].missing for planner in outcome.planners
        ],
        "changes_repeated_per_watcher": [
            report.feeds[planner.name].repeated for planner in outcome.planners
        ],
        "resyncs_per_watcher": [planner.resyncs for planner in outcome.planners],
        "watchers_with_another_picture": sum(
            not same_picture(planner, truth) for planner in outcome.planners
        ),
        "last_change_after_last_commit_seconds": late_seconds(outcome.planners, truth),
        "feed_delay_ms": feed_delay_ms(outcome.planners, truth),
        "fairness": dict(outcome.fairness),
        "latency_ms": {rpc: dict(values) for rpc, values in outcome.latency_ms.items()},
        "bookings_per_second": round(tally.confirmed / outcome.booking_seconds, 1),
        "booking_seconds": round(outcome.booking_seconds, 2),
        "seconds": round(outcome.seconds, 2),
    }


def seated_by_resources(truth: Truth) -> dict[str, int]:
    """Counts the assignments that stand by how many resources serve each."""
    sizes = Counter(len(one.resource_ids) for one in truth.allocations if one.state == "ASSIGNED")
    return {str(size): count for size, count in sorted(sizes.items())}


def same_picture(planner: Planner, truth: Truth) -> bool:
    """Tells whether a planner's folded changes show the ledger as it is."""
    expected = {}
    for allocation in truth.allocations:
        if allocation.state in ASSIGNMENT_STATES:
            expected["assignments", allocation.id] = allocation.state
    held_first = {event.id for event in truth.events if event.state == "HELD"}
    for allocation in truth.allocations:
        if allocation.id in held_first:
            expected["holds", allocation.id] = HOLD_KINDS[allocation.state]
    return expected == {known: kind for known, (_, kind) in planner.folded.items()}


def late_seconds(planners: Sequence[Planner], truth: Truth) -> float:
    """Returns how long after the last commit the slowest planner had its last change."""
    last = max((planner.last_received for planner in planners), default=0.0)
    return round(max(last - truth.last_commit, 0.0), 3)


def feed_delay_ms(planners: Sequence[Planner], truth: Truth) -> dict[str, float]:
    """Returns how long changes took from the database's clock to the planners."""
    committed = {(event.id, event.version): event.at for event in truth.events}
    delays = [
        max(seen.received - committed[seen.id, seen.version], 0.0)
        for planner in planners
        for seen in planner.seen
        if (seen.id, seen.version) in committed
    ]
    return percentiles(delays) if delays else {}


def broken(summary: Mapping[str, Any]) -> list[str]:
    """Names the promises that a run did not keep."""
    zero = (
        "double_bookings",
        "orphaned_allocations",
        "lost_acks",
        "idempotency_violations",
        "other_violations",
        "watchers_with_another_picture",
    )
    found = [f"{name} is {summary[name]}" for name in zero if summary[name]]
    if any(summary["changes_missing_per_watcher"]):
        found.append(f"changes are missing: {summary['changes_missing_per_watcher']}")
    if summary["last_change_after_last_commit_seconds"] > LATE_MAX_SECONDS:
        late = summary["last_change_after_last_commit_seconds"]
        found.append(f"the last change came {late} s after the last commit")
    if not summary["confirmed"]:
        found.append("nothing was booked")
    return found
