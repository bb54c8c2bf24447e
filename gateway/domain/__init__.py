"""The feed as watchers see it, and the bookings of outside calendars."""

from gateway.domain.calendar import Booking, Happening, Known, Outcome, Received, Subject
from gateway.domain.feed import (
    Backlog,
    Entry,
    Mark,
    Position,
    Sign,
    bundle_of,
    end_of,
    latest,
    number_of,
    runs,
)

__all__ = [
    "Backlog",
    "Booking",
    "Entry",
    "Happening",
    "Known",
    "Mark",
    "Outcome",
    "Position",
    "Received",
    "Sign",
    "Subject",
    "bundle_of",
    "end_of",
    "latest",
    "number_of",
    "runs",
]
