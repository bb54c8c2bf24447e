"""An import changes what is newer, frees what is gone, and stops where most of it is."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.availability.domain import Span
from services.availability.rules.calendars import Busy
from services.availability.rules.imports import Known, Plan, plan_import

STAMP = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = Span(0, 100_000)


def busy(uid: str, sequence: int = 0, start: int = 100, stamp: int = 0) -> Busy:
    return Busy(uid, uid, sequence, STAMP + timedelta(days=stamp), Span(start, start + 60))


def apply(known: dict[str, Known], plan: Plan, *, freed: bool = True) -> None:
    for one in (*plan.changed, *plan.confirmed):
        known[one.uid] = Known(one.uid, "c", one.sequence, one.stamped_at, one.span)
    for uid in plan.missing if freed else ():
        old = known[uid]
        known[uid] = Known(
            uid, "c", old.sequence, old.stamped_at, old.span, deleted=True, dropped=True
        )


def take(known: dict[str, Known], *incoming: Busy) -> Plan:
    return plan_import(known, incoming, calendar_id="c", horizon=HORIZON)


def live(known: dict[str, Known]) -> dict[str, int]:
    return {uid: one.span.start for uid, one in sorted(known.items()) if not one.deleted}


def test_twice_makes_no_difference() -> None:
    known: dict[str, Known] = {}
    apply(known, take(known, busy("a"), busy("b", start=200)))
    again = take(known, busy("a"), busy("b", start=200))
    assert (again.changed, again.ignored, again.missing) == ((), 2, ())


def test_the_newer_of_one_event_wins_in_any_order() -> None:
    states = [busy("a", 0, 100), busy("a", 1, 200), busy("a", 1, 300, stamp=1), busy("a", 2, 50)]
    for seed in range(24):
        known: dict[str, Known] = {}
        order = Random(seed).sample(states, len(states))
        for state in order:
            apply(known, take(known, state))
        assert live(known) == {"a": 50}


def test_what_was_deleted_by_itself_comes_back_with_a_higher_sequence_only() -> None:
    gone = Known("a", "", 3, STAMP, Span(0, 0), deleted=True)
    assert take({"a": gone}, busy("a", 3, stamp=9)).changed == ()
    assert len(take({"a": gone}, busy("a", 4)).changed) == 1


def test_what_a_calendar_lost_may_come_back_as_it_was() -> None:
    known: dict[str, Known] = {}
    apply(known, take(known, busy("a"), busy("b")))
    apply(known, take(known, busy("a")))
    assert live(known) == {"a": 100}
    apply(known, take(known, busy("a"), busy("b")))
    assert live(known) == {"a": 100, "b": 100}


@pytest.mark.parametrize(
    ("had", "kept", "suspicious"),
    [(10, 5, False), (10, 4, True), (10, 0, True), (3, 0, True), (2, 0, False), (3, 1, False)],
)
def test_most_of_a_calendar_does_not_go_at_once(had: int, kept: int, suspicious: bool) -> None:
    known: dict[str, Known] = {}
    apply(known, take(known, *(busy(f"e{n}") for n in range(had))))
    plan = take(known, *(busy(f"e{n}") for n in range(kept)))
    assert plan.suspicious == suspicious
    assert len(plan.missing) == had - kept


def test_one_long_series_may_end() -> None:
    known: dict[str, Known] = {}
    weekly = [busy(f"w/{n}", start=n * 100) for n in range(50)]
    apply(known, take(known, *weekly, busy("x"), busy("y")))
    assert not take(known, *weekly[:3], busy("x"), busy("y")).suspicious
    assert take(known).suspicious


def test_what_lies_in_the_past_is_not_missed() -> None:
    known = {"a": Known("a", "c", 0, STAMP, Span(-100, -40))}
    assert take(known).missing == ()
    assert plan_import(known, (), calendar_id="d", horizon=HORIZON).missing == ()
