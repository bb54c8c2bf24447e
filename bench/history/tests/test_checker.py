"""The checker is silent about correct histories and catches every kind of broken one."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.history import Allocation, Evidence, Op, Outcome, Seen, check
from bench.history.tests.simulated import simulate

SEEDS = range(25)
Mutant = Callable[[Evidence, random.Random], Evidence]


def pick(rng: random.Random, things: Any, wanted: Callable[[Any], bool]) -> Any:
    return rng.choice([thing for thing in things if wanted(thing)])


def kept(history: Evidence, rng: random.Random) -> Allocation:
    """An assignment that somebody was told of and nobody cancelled."""
    told = {op.allocation_id for op in history.ops if op.rpc == "ConfirmHold"}
    stored = history.allocations or ()
    return pick(rng, stored, lambda one: one.state == "ASSIGNED" and one.id in told)


def with_allocation(history: Evidence, changed: Allocation) -> Evidence:
    others = [one for one in history.allocations or () if one.id != changed.id]
    return replace(history, allocations=[*others, changed])


def with_ops(history: Evidence, *ops: Op) -> Evidence:
    return replace(history, ops=[*history.ops, *ops])


def swapped(history: Evidence, old: Op, new: Op) -> Evidence:
    return replace(history, ops=[new if op is old else op for op in history.ops])


def rival_hold(history: Evidence, victim: Op, at: float) -> Evidence:
    """A second caller is given the same time, and the ledger looks clean at the end."""
    rival = replace(
        victim,
        process=999,
        key="rival",
        invoked=at - 0.01,
        completed=at,
        response=b"rival",
        booking_request_id="q-rival",
        allocation_id="rival",
        expires=at + 100,
    )
    released = Allocation(
        "rival", "RELEASED", victim.resource_ids, victim.start, victim.end, (0, 1), "q-rival"
    )
    return with_allocation(with_ops(history, rival), released)


def gives_a_confirmed_slot_away(history: Evidence, rng: random.Random) -> Evidence:
    victim = kept(history, rng)
    placed = pick(rng, history.ops, lambda op: op.allocation_id == victim.id and op.expires < 1e9)
    confirmed = pick(
        rng, history.ops, lambda op: op.allocation_id == victim.id and op.rpc == "ConfirmHold"
    )
    return rival_hold(history, placed, confirmed.completed + 30)


def gives_a_live_hold_away(history: Evidence, rng: random.Random) -> Evidence:
    # One that nobody confirmed or gave back before its time was over.
    expired = {one.id for one in history.allocations or () if one.state == "EXPIRED"}
    placed = pick(
        rng, history.ops, lambda op: op.rpc == "PlaceHold" and op.allocation_id in expired
    )
    return rival_hold(history, placed, (placed.completed + placed.expires) / 2)


def loses_a_confirmation(history: Evidence, rng: random.Random) -> Evidence:
    return with_allocation(history, replace(kept(history, rng), state="EXPIRED"))


def forgets_an_allocation(history: Evidence, rng: random.Random) -> Evidence:
    gone = kept(history, rng)
    return replace(history, allocations=[one for one in history.allocations or () if one != gone])


def moves_a_confirmation(history: Evidence, rng: random.Random) -> Evidence:
    return with_allocation(history, replace(kept(history, rng), resource_ids=("elsewhere",)))


def brings_back_the_cancelled(history: Evidence, rng: random.Random) -> Evidence:
    stored = pick(rng, history.allocations, lambda one: one.state == "CANCELLED")
    return with_allocation(history, replace(stored, state="ASSIGNED"))


def stores_what_nobody_asked(history: Evidence, rng: random.Random) -> Evidence:
    ghost = Allocation("ghost", "RELEASED", ("r9",), 0, 120, (0, 120), "q-ghost")
    return with_allocation(history, ghost)


def stores_what_it_refused(history: Evidence, rng: random.Random) -> Evidence:
    unsure = {op.booking_request_id for op in history.ops if op.outcome is Outcome.INFO}
    refused = pick(
        rng,
        history.ops,
        lambda op: op.reason == "SLOT_TAKEN" and op.booking_request_id not in unsure,
    )
    ghost = Allocation("g", "EXPIRED", ("r9",), 0, 120, (0, 120), refused.booking_request_id)
    return with_allocation(history, ghost)


def acts_twice_under_one_key(history: Evidence, rng: random.Random) -> Evidence:
    first = pick(rng, history.ops, lambda op: op.rpc == "PlaceHold" and op.outcome is Outcome.OK)
    late = first.completed + 200
    twin = replace(first, invoked=late, completed=late + 1, allocation_id="twin", expires=late)
    stored = Allocation("twin", "EXPIRED", ("r9",), 0, 120, (0, 120), first.booking_request_id)
    return with_allocation(with_ops(history, twin), stored)


def serves_a_request_twice(history: Evidence, rng: random.Random) -> Evidence:
    first = kept(history, rng)
    placed = pick(rng, history.ops, lambda op: op.allocation_id == first.id and op.expires < 1e9)
    late = placed.completed + 200
    again = replace(
        placed,
        key="again",
        invoked=late,
        completed=late + 1,
        response=b"second",
        allocation_id="second",
        resource_ids=("r9",),
    )
    second = replace(first, id="second", resource_ids=("r9",))
    return with_allocation(with_ops(history, again), second)


def replays_other_bytes(history: Evidence, rng: random.Random) -> Evidence:
    first = pick(rng, history.ops, lambda op: op.rpc == "ConfirmHold" and op.outcome is Outcome.OK)
    return with_ops(history, replace(first, completed=first.completed + 9, response=b"other"))


def turns_a_refusal_into_a_yes(history: Evidence, rng: random.Random) -> Evidence:
    first = pick(rng, history.ops, lambda op: op.reason == "SLOT_TAKEN")
    yes = replace(
        first,
        completed=first.completed + 9,
        outcome=Outcome.OK,
        reason="",
        allocation_id="late",
        expires=0,
    )
    return with_ops(history, yes)


def books_double_in_the_end(history: Evidence, rng: random.Random) -> Evidence:
    victim = kept(history, rng)
    _, end = victim.taken
    twin = replace(victim, id="twin", taken=(end - 1, end + 60), booking_request_id="q-twin")
    return with_allocation(history, twin)


def skips_a_version(history: Evidence, rng: random.Random) -> Evidence:
    events = list(history.events or ())
    events.remove(pick(rng, events, lambda event: event.version == 1))
    return replace(history, events=events)


def tells_one_version_twice(history: Evidence, rng: random.Random) -> Evidence:
    events = list(history.events or ())
    at = rng.randrange(len(events))
    return replace(history, events=[*events[:at], events[at], *events[at:]])


def leaves_the_last_event_out(history: Evidence, rng: random.Random) -> Evidence:
    return replace(history, events=list(history.events or ())[:-1])


def overlaps_for_a_moment(history: Evidence, rng: random.Random) -> Evidence:
    events = list(history.events or ())
    victim = pick(rng, events, lambda event: event.state == "ASSIGNED")
    at = events.index(victim) + 1
    rival = replace(victim, id="rival", version=1, at=victim.at + 0.01)
    gone = replace(rival, version=2, state="CANCELLED")
    stored = Allocation("rival", "CANCELLED", victim.resource_ids, 0, 120, (0, 120), "q-rival")
    log = replace(history, events=[*events[:at], rival, gone, *events[at:]])
    return with_allocation(log, stored)


def with_seen(history: Evidence, changed: list[Seen]) -> Evidence:
    return replace(history, seen={**history.seen, "w2": changed})


def keeps_a_change_from_one_watcher(history: Evidence, rng: random.Random) -> Evidence:
    dropped = rng.choice(history.seen["w2"])
    return with_seen(history, [one for one in history.seen["w2"] if one != dropped])


def tells_a_watcher_in_the_wrong_order(history: Evidence, rng: random.Random) -> Evidence:
    seen = list(history.seen["w2"])
    early = pick(rng, seen, lambda one: one.version == 2)
    first = Seen(early.topic, early.id, 1)
    return with_seen(history, [one for one in seen if one != first] + [first])


def invents_a_change(history: Evidence, rng: random.Random) -> Evidence:
    return with_seen(history, [*history.seen["w2"], Seen("holds", "nothing", 1)])


def reads_the_past(history: Evidence, rng: random.Random) -> Evidence:
    read = pick(rng, history.ops, lambda op: op.rpc == "GetAssignment")
    return swapped(history, read, replace(read, outcome=Outcome.FAIL, reason="NOT_FOUND"))


MUTANTS: list[tuple[Mutant, str]] = [
    (gives_a_confirmed_slot_away, "double hold"),
    (gives_a_live_hold_away, "double hold"),
    (loses_a_confirmation, "lost ack"),
    (forgets_an_allocation, "lost ack"),
    (moves_a_confirmation, "lost ack"),
    (brings_back_the_cancelled, "resurrection"),
    (stores_what_nobody_asked, "ghost"),
    (stores_what_it_refused, "ghost"),
    (acts_twice_under_one_key, "not once"),
    (serves_a_request_twice, "not once"),
    (replays_other_bytes, "replay"),
    (turns_a_refusal_into_a_yes, "replay"),
    (books_double_in_the_end, "double booking"),
    (skips_a_version, "log"),
    (tells_one_version_twice, "log"),
    (leaves_the_last_event_out, "log"),
    (overlaps_for_a_moment, "log"),
    (keeps_a_change_from_one_watcher, "feed"),
    (tells_a_watcher_in_the_wrong_order, "feed"),
    (invents_a_change, "feed"),
    (reads_the_past, "stale read"),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correct_history_is_not_accused(seed: int) -> None:
    history = simulate(seed)
    report = check(history)
    assert report.violations == []
    assert report.replays > 0
    assert all(feed.missing == 0 and feed.repeated > 0 for feed in report.feeds.values())


@pytest.mark.parametrize(("mutant", "caught"), MUTANTS, ids=lambda it: getattr(it, "__name__", it))
def test_every_kind_of_broken_history_is_caught(mutant: Mutant, caught: str) -> None:
    for seed in SEEDS:
        broken = mutant(simulate(seed), random.Random(seed))
        assert check(broken).count(caught) > 0, f"seed {seed} slipped through"


def test_a_long_history_is_checked_in_seconds() -> None:
    history = simulate(1, requests=2000)
    assert check(replace(history, allocations=None, events=None, seen={})).violations == []
