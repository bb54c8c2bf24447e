"""The two contexts assignment asks before it commits: availability (can it be served), matching
(what suits).
"""

from services.assignment.peers.availability import AvailabilityPeer
from services.assignment.peers.matching import MatchingPeer

__all__ = ["AvailabilityPeer", "MatchingPeer"]
