"""The ledger's engine: what each call does, in order, in domain terms."""

from services.assignment.engine.assignments import Assignments
from services.assignment.engine.holds import Holds
from services.assignment.engine.parts import Parts
from services.assignment.engine.placing import Placements
from services.assignment.engine.requests import Requests

__all__ = ["Assignments", "Holds", "Parts", "Placements", "Requests"]
