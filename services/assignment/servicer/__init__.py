"""Serves RequestService and AssignmentService: turns messages into calls of the engine and back."""

from services.assignment.servicer.assignment import AssignmentServicer
from services.assignment.servicer.requests import RequestServicer

__all__ = ["AssignmentServicer", "RequestServicer"]
