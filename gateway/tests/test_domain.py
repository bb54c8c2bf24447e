"""Positions and backlogs: bounded, in order, and never silently incomplete."""

from fairslot.gateway.v1.planner_pb2 import Change
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Backlog, Entry, Mark, Position, Sign, latest, runs
from gateway.servicer.planner import varint

EPOCH = "0123abcd"


def entry(number, key="holds//a", version=None, body=b"body"):
    return Entry(
        epoch=EPOCH,
        number=number,
        topic="holds",
        key=key,
        version=number if version is None else version,
        body=body,
    )


def test_a_token_says_its_position_and_nothing_else_is_one():
    position = Position(EPOCH, 42)
    assert Position.of(str(position)) == position
    for token in (
        "",
        "42",
        "0123abcd-",
        "0123ABCD-4",
        "0123abcd--4",
        "0123abcd-4x",
        "é-1",
        "x" * 64,
    ):
        assert Position.of(token) is None


def test_a_backlog_that_is_not_full_keeps_everything():
    backlog = Backlog(4)
    for number in (1, 2, 3, 4):
        backlog.put(entry(number))
    taken = [backlog.take() for _ in range(5)]
    assert [one.number for (one,) in taken[:4]] == [1, 2, 3, 4]
    assert taken[4] is None


def test_a_full_backlog_keeps_the_latest_of_each_thing():
    backlog = Backlog(4)
    for number, key in ((1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "b")):
        backlog.put(entry(number, key))
    assert [(one.number, one.key) for one in backlog.entries] == [(4, "a"), (5, "b")]


def test_a_late_duplicate_never_replaces_a_newer_version():
    kept = latest([entry(1, "a", 1), entry(2, "a", 2), entry(3, "a", 1)])
    assert [(one.number, one.version) for one in kept] == [(2, 2)]


def test_too_many_things_mean_a_reload_and_then_what_came_after():
    backlog = Backlog(4)
    for number in range(1, 6):
        backlog.put(entry(number, str(number)))
    backlog.put(entry(6, "6"))
    assert backlog.take() == Mark(Sign.RESYNC, Position(EPOCH, 5))
    assert backlog.take() == (entry(6, "6"),)
    assert not backlog


def test_what_is_told_together_keeps_to_both_bounds_and_waits_for_a_reload():
    backlog = Backlog(8)
    for number in range(1, 8):
        backlog.put(entry(number, str(number)))
    size = len(entry(1, "1").body)

    def numbers(*bounds):
        return [one.number for one in backlog.take(*bounds)]

    assert numbers(2, 100 * size) == [1, 2]
    assert numbers(100, 3 * size) == [3, 4, 5]
    # At least one, however large it is.
    assert numbers(100, size - 1) == [6]
    backlog.lose(Position(EPOCH, 7))
    backlog.put(entry(8, "8"))
    assert backlog.take(100, 100 * size) == Mark(Sign.RESYNC, Position(EPOCH, 7))
    assert numbers(100, 100 * size) == [8]
    assert backlog.take(100, 100 * size) is None


@given(sizes=st.lists(st.integers(0, 9), max_size=40), most=st.integers(1, 9))
def test_runs_leave_nothing_out_and_are_as_long_as_they_may_be(sizes, most):
    entries = [entry(number, body=b"x" * size) for number, size in enumerate(sizes, start=1)]
    made = list(runs(entries, most, 10))
    assert [one for run in made for one in run] == entries
    for run, following in zip(made, [*made, None][1:], strict=True):
        taken = sum(len(one.body) for one in run)
        assert len(run) == 1 or (len(run) <= most and taken <= 10)
        if following is not None:
            assert len(run) == most or taken + len(following[0].body) > 10


def test_lengths_are_written_as_protobuf_reads_them():
    for length in (1, 127, 128, 300, 16_383, 16_384, 2**21):
        change = Change(id="x" * length)
        body = change.SerializeToString()
        assert body == b"\x1a" + varint(length) + b"x" * length


@given(
    puts=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=200),
    bound=st.integers(1, 12),
)
def test_whoever_folds_what_he_takes_knows_the_latest_of_everything(puts, bound):
    backlog = Backlog(bound)
    truth: dict[str, int] = {}
    known: dict[str, int] = {}
    positions = []

    def take(most=1):
        told = backlog.take(most, 100)
        if isinstance(told, Mark):
            # Reloads: knows everything up to the mark.
            known.update({k: v for k, v in truth.items() if v <= told.position.number})
            positions.append(told.position.number)
        for one in told if isinstance(told, tuple) else ():
            known[one.key] = one.version
            positions.append(one.number)

    for number, (thing, takes) in enumerate(puts, start=1):
        truth[str(thing)] = number
        backlog.put(entry(number, str(thing)))
        assert len(backlog.entries) <= bound
        if takes:
            take(takes)
    while backlog:
        take()
    assert known == truth
    assert positions == sorted(positions)
