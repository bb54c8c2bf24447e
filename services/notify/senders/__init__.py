"""What leaves notify: entries of the feed, and webhooks."""

from services.notify.senders.feed import FEED, FEED_SUBJECTS, FeedSender
from services.notify.senders.hooks import HookSender, open_hook_sender
from services.notify.senders.whole import Lost

__all__ = [
    "FEED",
    "FEED_SUBJECTS",
    "FeedSender",
    "HookSender",
    "Lost",
    "open_hook_sender",
]
