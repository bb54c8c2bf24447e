"""Looks at fairness are spaced, and leave no month out."""

from datetime import UTC, datetime

import pytest
from fairslot.assignment.v1 import events_pb2

from kit.event import Event
from services.matching.domain import Month
from services.matching.listener.drifting import months_of, pause_seconds

State = events_pb2.AllocationChanged.State


@pytest.mark.parametrize(
    ("looked_seconds", "paused_seconds"), [(0.0, 2.0), (0.1, 2.0), (0.2, 3.8), (0.6, 11.4), (9, 15)]
)
def test_a_look_that_takes_long_is_followed_by_a_longer_pause(looked_seconds, paused_seconds):
    assert pause_seconds(looked_seconds) == pytest.approx(paused_seconds)


def changed(state, start, end, tenant="acme"):
    message = events_pb2.AllocationChanged(state=state)
    message.slot.start_time.FromDatetime(start)
    message.slot.end_time.FromDatetime(end)
    return Event(f"fairslot.assignment.v1.AllocationChanged.{tenant}", message.SerializeToString())


def test_every_month_that_a_zone_may_put_it_in_is_looked_at():
    late = datetime(2027, 3, 31, 22, tzinfo=UTC), datetime(2027, 3, 31, 23, tzinfo=UTC)
    noon = datetime(2027, 5, 9, 12, tzinfo=UTC), datetime(2027, 5, 9, 13, tzinfo=UTC)
    events = [
        changed(State.ASSIGNED, *noon),
        changed(State.CANCELLED, *late, tenant="other"),
        changed(State.COMPLETED, *noon),
        changed(State.HELD, *late),
        Event("fairslot.assignment.v1.AllocationChanged.acme", b"\xff"),
    ]
    assert months_of(events) == [
        ("acme", Month(2027, 5)),
        ("other", Month(2027, 3)),
        ("other", Month(2027, 4)),
    ]
