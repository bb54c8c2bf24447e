"""Serves MatchingService: turns messages into calls of the engine and its answers into messages."""

from services.matching.servicer.answering import MatchingServicer, ranking_message

__all__ = ["MatchingServicer", "ranking_message"]
