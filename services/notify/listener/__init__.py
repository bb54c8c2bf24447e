"""What notify follows: the events of other contexts, and its own feed for webhooks."""

from services.notify.listener.feed import SOURCES, Listener, happened, shaped
from services.notify.listener.hooks import HookListener

__all__ = ["SOURCES", "HookListener", "Listener", "happened", "shaped"]
