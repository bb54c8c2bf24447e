"""Turns spans, moments and places of the wire into plain ones, and back."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.latlng_pb2 import LatLng

from services.matching.domain import Place, Window


def moment(stamp: Timestamp) -> datetime:
    """Gives the aware UTC moment of a timestamp."""
    return stamp.ToDatetime(UTC)


def window(interval: Interval) -> Window:
    """Gives the window of an interval; an edge that is not set stays open."""
    return Window(
        start=moment(interval.start_time) if interval.HasField("start_time") else None,
        end=moment(interval.end_time) if interval.HasField("end_time") else None,
    )


def interval(span: Window) -> Interval:
    """Gives the interval of a window; an open edge is not set."""
    made = Interval()
    if span.start is not None:
        made.start_time.FromDatetime(span.start)
    if span.end is not None:
        made.end_time.FromDatetime(span.end)
    return made


def place(point: LatLng) -> Place:
    """Gives the place of a point."""
    return Place(point.latitude, point.longitude)


def latlng(place: Place | None) -> LatLng | None:
    """Gives the point of a place, if there is one."""
    return None if place is None else LatLng(latitude=place.latitude, longitude=place.longitude)
