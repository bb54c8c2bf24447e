"""Notify's tables: endpoints and deliveries as a tenant sees them, and as they are sent."""

from services.notify.store.endpoints import HookRows
from services.notify.store.outgoing import Outgoing, ReadTo

__all__ = ["HookRows", "Outgoing", "ReadTo"]
