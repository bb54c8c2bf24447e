"""Serves the feed to watchers, one subscription per tenant, and applies what calendars tell."""

from gateway.engine.calendars import Calendars
from gateway.engine.feed import Feed, Source, Watcher
from gateway.engine.hub import Bounds, Hub
from gateway.engine.lookout import Lookout

__all__ = ["Bounds", "Calendars", "Feed", "Hub", "Lookout", "Source", "Watcher"]
