"""Compares what callers were told with what the ledger has at the end."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping

from bench.history.lives import Life, clash
from bench.history.record import (
    ACQUIRING,
    KEPT,
    LIVE,
    Allocation,
    Event,
    Op,
    Outcome,
    Violation,
)

# Refusals after which nothing is stored under the key, so that a repeat may end otherwise.
NOT_STORED = frozenset(
    {
        "INVALID_ARGUMENT",
        "IDEMPOTENCY_KEY_REUSED",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "RATE_LIMITED",
        "TOO_MANY_HOLDS",
        "WINDOW_INVALID",
    }
)
# Refusals that are surely stored: the key has this answer for ever.
STORED = frozenset({"SLOT_TAKEN", "REQUEST_NOT_OPEN", "NOT_AVAILABLE", "ALREADY_EXISTS"})


def lost_acks(lives: Mapping[str, Life], ledger: Mapping[str, Allocation]) -> list[Violation]:
    """Finds confirmations that were acknowledged, never cancelled, and are not there."""
    found = []
    for life in lives.values():
        if not life.kept or life.freed != float("inf"):
            continue
        stored = ledger.get(life.id)
        if stored is None or stored.state not in KEPT:
            state = stored.state if stored else "nowhere"
            found.append(Violation("lost ack", f"{life.id} was confirmed and is {state}"))
        elif (stored.start, stored.end, sorted(stored.resource_ids)) != (
            life.start,
            life.end,
            sorted(life.resource_ids),
        ):
            found.append(Violation("lost ack", f"{life.id} is not where it was confirmed"))
    return found


def resurrections(lives: Mapping[str, Life], ledger: Mapping[str, Allocation]) -> list[Violation]:
    """Finds allocations that live although a call that freed them was acknowledged."""
    return [
        Violation("resurrection", f"{life.id} was freed and is {ledger[life.id].state}")
        for life in lives.values()
        if life.freed_surely and life.id in ledger and ledger[life.id].state in LIVE
    ]


def ghosts(ops: Iterable[Op], ledger: Mapping[str, Allocation]) -> list[Violation]:
    """Finds allocations that no call can have made: none succeeded, none is still unknown.

    A key whose refusal was stored is known: whatever became of earlier calls with it, it made
    nothing.
    """
    acquiring = [op for op in ops if op.rpc in ACQUIRING]
    made = {op.allocation_id for op in acquiring if op.outcome is Outcome.OK}
    refused = {(op.rpc, op.key) for op in acquiring if op.reason in STORED}
    unknown = {
        op.booking_request_id
        for op in acquiring
        if op.outcome is Outcome.INFO and (op.rpc, op.key) not in refused
    }
    return [
        Violation("ghost", f"{allocation.id} ({allocation.state}) was made by nobody")
        for allocation in ledger.values()
        if allocation.id not in made and allocation.booking_request_id not in unknown
    ]


def not_once(ops: Iterable[Op], ledger: Mapping[str, Allocation]) -> list[Violation]:
    """Finds keys that acted twice, and booking requests that are served twice."""
    found = []
    made_by_key: dict[tuple[str, str], set[str]] = defaultdict(set)
    keys_by_request: dict[str, set[str]] = defaultdict(set)
    for op in ops:
        if op.rpc not in ACQUIRING or op.outcome is Outcome.FAIL:
            continue
        keys_by_request[op.booking_request_id].add(op.key)
        if op.outcome is Outcome.OK:
            made_by_key[op.rpc, op.key].add(op.allocation_id)
    for (rpc, key), made in made_by_key.items():
        if len(made) > 1:
            found.append(Violation("not once", f"{rpc} with {key} made {sorted(made)}"))
    by_request: dict[str, list[Allocation]] = defaultdict(list)
    for allocation in ledger.values():
        if allocation.booking_request_id:
            by_request[allocation.booking_request_id].append(allocation)
    for request_id, allocations in by_request.items():
        if len(allocations) > len(keys_by_request[request_id]):
            found.append(
                Violation("not once", f"{request_id} has more allocations than calls with a key")
            )
        live = [allocation.id for allocation in allocations if allocation.state in LIVE]
        if len(live) > 1:
            found.append(Violation("not once", f"{request_id} is served by {live}"))
    return found


def replays(ops: Iterable[Op]) -> tuple[int, list[Violation]]:
    """Counts calls repeated under their key and finds those answered otherwise."""
    answers: dict[tuple[str, str], Op] = {}
    repeated, found = 0, []
    for op in sorted(ops, key=lambda op: op.completed):
        if not op.key or op.outcome is Outcome.INFO or op.reason in NOT_STORED:
            continue
        first = answers.setdefault((op.rpc, op.key), op)
        if first is op:
            continue
        repeated += 1
        if (first.outcome, first.reason, first.response) != (op.outcome, op.reason, op.response):
            found.append(Violation("replay", f"{op.rpc} with {op.key} was answered in two ways"))
    return repeated, found


def double_bookings(ledger: Iterable[Allocation]) -> list[Violation]:
    """Finds live allocations whose times of one resource overlap."""
    taken: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for allocation in ledger:
        if allocation.state in LIVE:
            for resource_id in allocation.resource_ids:
                taken[resource_id].append((*allocation.taken, allocation.id))
    found = []
    for resource_id, spans in taken.items():
        spans.sort()
        for before, after in itertools.pairwise(spans):
            if after[0] < before[1]:
                found.append(
                    Violation("double booking", f"{resource_id} by {before[2]} and {after[2]}")
                )
    return found


def broken_log(events: Iterable[Event], ledger: Mapping[str, Allocation]) -> list[Violation]:
    """Replays the outbox: versions without a gap, nothing taken twice at any prefix, same end."""
    found: list[Violation] = []
    last: dict[str, Event] = {}
    taken: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for event in events:
        before = last.get(event.id)
        expected = before.version + 1 if before else 1
        if event.version != expected:
            found.append(
                Violation("log", f"{event.id} has version {event.version} after {expected - 1}")
            )
        if before and before.state in LIVE:
            leave(taken, before)
        last[event.id] = event
        if event.state in LIVE:
            found += enter(taken, event, last)
    for allocation in ledger.values():
        at_last = last.get(allocation.id)
        if at_last is None or at_last.state != allocation.state:
            told = at_last.state if at_last else "never told"
            found.append(Violation("log", f"{allocation.id} is {allocation.state}, {told}"))
    return found


def leave(taken: dict[str, list[tuple[int, int, str]]], event: Event) -> None:
    """Gives back what an event had taken."""
    for resource_id in event.resource_ids:
        span = (*event.taken, event.id)
        if span in taken[resource_id]:
            taken[resource_id].remove(span)


def enter(
    taken: dict[str, list[tuple[int, int, str]]], event: Event, last: Mapping[str, Event]
) -> list[Violation]:
    """Takes what an event says; a hold that expired by then is in nobody's way."""
    found = []
    for resource_id in event.resource_ids:
        spans = taken[resource_id]
        span = (*event.taken, event.id)
        rival = clash(spans, span)
        while rival and last[rival[2]].state == "HELD" and last[rival[2]].expires_at <= event.at:
            spans.remove(rival)
            rival = clash(spans, span)
        if rival:
            found.append(Violation("log", f"{resource_id} was {rival[2]}'s when {event.id} came"))
        else:
            spans.append(span)
            spans.sort()
    return found
