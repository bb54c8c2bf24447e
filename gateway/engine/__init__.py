"""Serves the feed to watchers: one subscription per tenant, any number of watchers on it."""

from gateway.engine.feed import Feed, Source, Watcher
from gateway.engine.hub import Bounds, Hub

__all__ = ["Bounds", "Feed", "Hub", "Source", "Watcher"]
