"""The ledger's engine: what each call does, in order, in domain terms."""

from services.assignment.engine.assignments import Assignments
from services.assignment.engine.auto import TRIES_MAX, AutoAssigning
from services.assignment.engine.holds import Holds
from services.assignment.engine.parts import Parts
from services.assignment.engine.placing import Placements
from services.assignment.engine.records import Records
from services.assignment.engine.requests import Requests
from services.assignment.engine.risks import Risks

__all__ = [
    "TRIES_MAX",
    "Assignments",
    "AutoAssigning",
    "Holds",
    "Parts",
    "Placements",
    "Records",
    "Requests",
    "Risks",
]
