"""What a run added up to names every promise that was broken, and only those."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bench.demo.database import Truth, changes_of
from bench.demo.planner import Planner
from bench.demo.recorder import percentiles
from bench.demo.summary import Outcome, broken, summarised
from bench.demo.tally import Tally
from bench.history import Allocation, Event, Evidence, Op, Seen, check
from bench.history import Outcome as Ended
from client import Client

CONTRACT = {
    "requests",
    "held",
    "confirmed",
    "refused",
    "double_bookings",
    "orphaned_allocations",
    "lost_acks",
    "idempotency_replays",
    "idempotency_violations",
    "changes_expected",
    "changes_missing_per_watcher",
    "fairness",
    "latency_ms",
    "bookings_per_second",
    "seconds",
}
CHANGES = [("holds", "a", 1), ("holds", "a", 2), ("assignments", "a", 2)]


def op(rpc: str, at: float, **more: Any) -> Op:
    return Op(
        process=1,
        rpc=rpc,
        key=rpc,
        params=b"",
        invoked=at,
        completed=at + 0.1,
        outcome=Ended.OK,
        booking_request_id="q",
        allocation_id="a",
        resource_ids=("r",),
        start=0,
        end=60,
        **more,
    )


def planner_who_saw(changes: list[tuple[str, str, int]]) -> Planner:
    planner = Planner("p", Client(None, token=""))  # type: ignore[arg-type]
    planner.seen = [Seen(*change, received=10.5) for change in changes]
    planner.folded = {("holds", "a"): (2, "CONFIRMED"), ("assignments", "a"): (2, "ASSIGNED")}
    return planner


@pytest.fixture
def outcome() -> Outcome:
    truth = Truth(
        double_bookings=0,
        orphaned_allocations=0,
        allocations=[Allocation("a", "ASSIGNED", ("r",), 0, 60, (0, 60), "q")],
        events=[
            Event("a", 1, "HELD", ("r",), (0, 60), 9.0, 99.0),
            Event("a", 2, "ASSIGNED", ("r",), (0, 60), 10.0),
        ],
        changes=CHANGES,
        last_commit=10.0,
    )
    planners = [planner_who_saw(CHANGES)]
    ops = [op("PlaceHold", 1, expires=99.0), op("ConfirmHold", 2), op("ConfirmHold", 3)]
    return Outcome(
        tally=Tally(wanted=1, requests=1, held=1, confirmed=1, refused=Counter()),
        truth=truth,
        report=check(evidence(ops, truth, planners)),
        planners=planners,
        fairness={"max_abs_gap_percent": 1.0, "within_tolerance": True},
        latency_ms={"PlaceHold": percentiles([0.001, 0.002])},
        booking_seconds=2.0,
        seconds=3.0,
    )


def evidence(ops: list[Op], truth: Truth, planners: list[Planner]) -> Evidence:
    return Evidence(
        ops=ops,
        allocations=truth.allocations,
        events=truth.events,
        expected_changes=truth.changes,
        seen={planner.name: planner.seen for planner in planners},
    )


def test_the_summary_has_what_the_contract_spells(outcome: Outcome) -> None:
    summary = summarised(outcome)
    assert set(summary) >= CONTRACT
    assert broken(summary) == []
    assert summary["idempotency_replays"] == 1
    assert summary["bookings_per_second"] == 0.5
    assert summary["last_change_after_last_commit_seconds"] == 0.5
    assert summary["changes_missing_per_watcher"] == [0]


def test_a_double_booking_in_the_database_breaks_it(outcome: Outcome) -> None:
    doubled = replace(outcome, truth=replace(outcome.truth, double_bookings=2))
    assert broken(summarised(doubled)) == ["double_bookings is 2"]


def test_a_missing_change_breaks_it(outcome: Outcome) -> None:
    planners = [planner_who_saw(CHANGES[:-1])]
    report = check(evidence([], outcome.truth, planners))
    summary = summarised(replace(outcome, planners=planners, report=report))
    assert "changes are missing: [1]" in broken(summary)


def test_another_picture_breaks_it(outcome: Outcome) -> None:
    outcome.planners[0].folded["assignments", "a"] = (2, "CANCELLED")
    assert broken(summarised(outcome)) == ["watchers_with_another_picture is 1"]


def test_a_late_change_breaks_it(outcome: Outcome) -> None:
    late = replace(outcome, truth=replace(outcome.truth, last_commit=9.4))
    assert broken(summarised(late)) == ["the last change came 1.1 s after the last commit"]


def test_a_lost_acknowledgement_breaks_it(outcome: Outcome) -> None:
    lost = replace(outcome.truth, allocations=[])
    ops = [op("PlaceHold", 1, expires=99.0), op("ConfirmHold", 2)]
    report = check(evidence(ops, lost, []))
    summary = summarised(replace(outcome, report=report, planners=[]))
    assert "lost_acks is 1" in broken(summary)


@pytest.mark.parametrize(
    ("state", "before", "topics"),
    [
        ("HELD", None, ["holds"]),
        ("ASSIGNED", "HELD", ["holds", "assignments"]),
        ("ASSIGNED", None, ["assignments"]),
        ("EXPIRED", "HELD", ["holds"]),
        ("RELEASED", "HELD", ["holds"]),
        ("CANCELLED", "ASSIGNED", ["assignments"]),
        ("COMPLETED", "ASSIGNED", ["assignments"]),
    ],
)
def test_an_event_means_these_changes(state: str, before: str | None, topics: list[str]) -> None:
    payload = {"id": "a", "version": 1, "state": state, "previous_state": before}
    assert [topic for topic, _, _ in changes_of(payload)] == topics


def test_percentiles_of_one_value_are_that_value() -> None:
    assert percentiles([0.004]) == {"p50": 4.0, "p99": 4.0, "max": 4.0}
