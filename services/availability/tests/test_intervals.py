"""The algebra of intervals agrees with sets of minutes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.availability.domain import Span
from services.availability.rules.intervals import (
    Spans,
    clipped,
    containing,
    inside,
    merged,
    minutes,
    spans_of,
    subtracted,
    with_span,
)
from services.availability.rules.offered import _covered
from services.availability.rules.timeline import Timeline

pieces = st.lists(
    st.builds(lambda a, n: Span(a, a + n), st.integers(0, 60), st.integers(0, 12)), max_size=8
)


def as_set(spans: Spans) -> set[int]:
    return {
        minute
        for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
        for minute in range(start, end)
    }


def of(many: list[Span]) -> set[int]:
    return {minute for one in many for minute in range(one.start, one.end)}


@given(pieces)
def test_a_union_is_sorted_and_its_parts_do_not_touch(many: list[Span]) -> None:
    found = spans_of(many)
    assert as_set(found) == of(many)
    assert (found.starts < found.ends).all()
    assert (found.starts[1:] > found.ends[:-1]).all()
    assert found.starts.dtype == np.int32


def test_touching_is_one_and_empty_is_nothing() -> None:
    found = merged(Spans(minutes([9, 12, 20]), minutes([12, 15, 20])))
    assert (found.starts.tolist(), found.ends.tolist()) == ([9], [15])


@given(pieces, st.integers(0, 70), st.integers(0, 12))
def test_one_more_is_the_union_of_all(many: list[Span], start: int, length: int) -> None:
    one = Span(start, start + length)
    found, whole = with_span(spans_of(many), one), spans_of([*many, one])
    assert found.starts.tolist() == whole.starts.tolist()
    assert found.ends.tolist() == whole.ends.tolist()


@given(pieces, pieces)
def test_a_difference_is_that_of_sets(many: list[Span], taken: list[Span]) -> None:
    assert as_set(subtracted(spans_of(many), spans_of(taken))) == of(many) - of(taken)


@given(pieces, st.integers(0, 70), st.integers(0, 12))
def test_what_is_inside_is_inside(many: list[Span], start: int, length: int) -> None:
    spans, starts = spans_of(many), minutes([start])
    assert bool(inside(spans, starts)[0]) == (start in of(many))
    if length:
        held = set(range(start, start + length)) <= of(many)
        assert bool(containing(spans, starts, length)[0]) == held


@given(pieces, st.integers(0, 70), st.integers(0, 40))
def test_a_clip_is_an_intersection(many: list[Span], low: int, length: int) -> None:
    found = clipped(spans_of(many), low, low + length)
    assert as_set(found) == of(many) & set(range(low, low + length))


@given(pieces, st.integers(0, 70), st.integers(1, 12))
def test_a_timeline_finds_exactly_what_overlaps(many: list[Span], start: int, length: int) -> None:
    span = Span(start, start + length)
    found = Timeline((one, one) for one in many).overlapping(span)
    real = [one for one in many if one.start < one.end]
    assert sorted(found) == sorted(one for one in real if one.overlaps(span))


@given(pieces, pieces)
def test_leave_covers_what_it_shares_with_work(work: list[Span], leave: list[Span]) -> None:
    starts = np.array([one.start for one in work], dtype=np.int64)
    ends = np.array([one.end for one in work], dtype=np.int64)
    if not len(of(leave)):
        return
    found = _covered(spans_of(leave), starts, ends).tolist()
    assert found == [len(of([one]) & of(leave)) for one in work]
