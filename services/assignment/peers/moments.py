"""Moments, spans and places as the wire has them."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.latlng_pb2 import LatLng

from services.assignment.domain import Place, Span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_PER_DAY = 86_400


def timestamp(moment: datetime) -> Timestamp:
    """Returns a moment as a message; counted by hand, since every answer has several."""
    since = moment - EPOCH
    return Timestamp(
        seconds=since.days * SECONDS_PER_DAY + since.seconds, nanos=since.microseconds * 1000
    )


def moment(message: Timestamp) -> datetime:
    """Returns the moment in a message, in UTC."""
    found: datetime = message.ToDatetime(UTC)
    return found


def interval(span: Span) -> Interval:
    """Returns a span as a message."""
    return Interval(start_time=timestamp(span.start), end_time=timestamp(span.end))


def span(message: Interval) -> Span:
    """Returns the span in a message that has both ends."""
    return Span(moment(message.start_time), moment(message.end_time))


def latlng(place: Place | None) -> LatLng | None:
    """Returns a place as a message."""
    return LatLng(latitude=place.latitude, longitude=place.longitude) if place else None
