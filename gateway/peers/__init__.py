"""What the gateway process asks of others: the feed of NATS, and availability's catalog."""

from gateway.peers.availability import CalendarPeer
from gateway.peers.feed import FEED, SUBJECT, FeedPeer
from gateway.peers.presence import PresencePeer

__all__ = ["FEED", "SUBJECT", "CalendarPeer", "FeedPeer", "PresencePeer"]
