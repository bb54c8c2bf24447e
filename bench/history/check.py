"""Runs every check over one run's evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.history import ledger
from bench.history.feed import FeedReport, Known, check_feed
from bench.history.lives import double_holds, lives_of
from bench.history.record import Allocation, Event, Op, Outcome, Seen, Violation


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything one run left behind. No database and no watchers: those checks are left out."""

    ops: Sequence[Op]
    allocations: Sequence[Allocation] | None = None
    events: Sequence[Event] | None = None
    expected_changes: Sequence[Known] = ()
    seen: Mapping[str, Sequence[Seen]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the checks found; `violations` is empty for a run that kept every promise."""

    violations: list[Violation]
    replays: int
    feeds: Mapping[str, FeedReport]

    def count(self, check: str) -> int:
        """How often one kind of promise was broken."""
        return sum(1 for violation in self.violations if violation.check == check)


def check(evidence: Evidence) -> Report:
    """Runs all checks."""
    lives = lives_of(evidence.ops)
    repeated, found = ledger.replays(evidence.ops)
    found += double_holds(lives.values())
    found += stale_reads(evidence.ops)
    if evidence.allocations is not None:
        stored = {allocation.id: allocation for allocation in evidence.allocations}
        found += ledger.lost_acks(lives, stored)
        found += ledger.resurrections(lives, stored)
        found += ledger.ghosts(evidence.ops, stored)
        found += ledger.not_once(evidence.ops, stored)
        found += ledger.double_bookings(stored.values())
        if evidence.events is not None:
            found += ledger.broken_log(evidence.events, stored)
    feeds = {
        watcher: check_feed(evidence.expected_changes, seen, watcher)
        for watcher, seen in evidence.seen.items()
    }
    for feed in feeds.values():
        found += feed.violations
    return Report(violations=found, replays=repeated, feeds=feeds)


def stale_reads(ops: Sequence[Op]) -> list[Violation]:
    """Finds reads that were begun after an acknowledged confirmation and do not know of it."""
    lives = lives_of(ops)
    confirmed = {
        op.allocation_id: op.completed
        for op in sorted(ops, key=lambda op: -op.completed)
        if op.rpc in {"ConfirmHold", "Assign"} and op.outcome is Outcome.OK
    }
    return [
        Violation("stale read", f"{op.allocation_id} was confirmed before it was read")
        for op in ops
        if op.rpc == "GetAssignment"
        and op.outcome is Outcome.FAIL
        and confirmed.get(op.allocation_id, float("inf")) < op.invoked
        and op.completed < lives[op.allocation_id].freed
    ]
