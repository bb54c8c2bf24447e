"""The two contexts matching asks: availability (who is free), assignment (what is committed)."""

from services.matching.peers.assignment import AssignmentPeer
from services.matching.peers.availability import AvailabilityPeer

__all__ = ["AssignmentPeer", "AvailabilityPeer"]
