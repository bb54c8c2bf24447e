"""Bits painted, counted and listed agree with sets, for any ranges in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.availability.rules.bits import (
    ROWS_MAX,
    Ruler,
    counted,
    listed,
    packed,
    painted,
    row_of,
    unpacked,
)
from services.availability.rules.intervals import minutes

ROWS, COUNT = 12, 130
ranges = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.integers(0, ROWS), st.integers(0, ROWS)), max_size=40
)


@given(ranges)
def test_painted_is_the_union_of_its_ranges(many):
    columns = np.array(many, dtype=np.int64).reshape(-1, 3).T
    found = painted(columns[0], columns[1], columns[2], rows=ROWS, count=COUNT)
    expected = np.zeros((ROWS, COUNT), dtype=np.bool_)
    for resource, first, last in many:
        expected[first:last, resource] = True
    assert (unpacked(found, COUNT) == expected).all()
    assert (packed(expected) == found).all()
    assert counted(found).tolist() == expected.sum(axis=1).tolist()
    assert listed(found).tolist() == [c for row in expected for c in np.flatnonzero(row)]


def test_more_rows_than_a_key_holds_are_refused():
    none = np.array([], dtype=np.int64)
    with pytest.raises(ValueError, match="rows"):
        painted(none, none, none, rows=ROWS_MAX + 1, count=1)


@given(st.sets(st.integers(0, COUNT - 1)))
def test_a_row_has_the_bits_of_its_resources(chosen):
    assert set(listed(row_of(sorted(chosen), COUNT)[None, :]).tolist()) == chosen


@given(st.sets(st.integers(100, 160)), st.integers(0, 300))
def test_a_ruler_counts_what_lies_before(starts, moment):
    ruler = Ruler(minutes(sorted(starts)), 100, 161)
    assert ruler.before(minutes([moment])).tolist() == [sum(s < moment for s in starts)]
