"""A tenant that is not in memory, as far as shared blocks need it to be known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.availability.domain import Span
from services.availability.engine.board import generation_of
from services.availability.engine.roster import Roster
from services.availability.rules.lane import Lane
from services.availability.store import Catalog, Glance


class Glimpse:
    """A catalog and the generations of its days; no schedules and no allocations."""

    def __init__(self, catalog: Catalog, glance: Glance) -> None:
        """Takes over what was read, which must be of one revision."""
        self.revision = glance.revision
        self.seen = glance
        self.tenant = catalog.tenant
        self.resources = {resource.id: resource for resource in catalog.resources}
        self.service_types = {kind.id: kind for kind in catalog.service_types}
        self.roster = Roster(self.resources)
        self._stamps = glance.stamps

    @property
    def freshness(self) -> Mapping[str, int]:
        """The token of an answer made from it."""
        return {"catalog": self.seen.revision, "ledger": self.seen.position.number}

    def generation(self, span: Span) -> str:
        """Names the state of all that is taken in a span, as a whole world would."""
        return generation_of(self.revision, self._stamps, span)

    def settle(self, now: datetime) -> None:
        """Does nothing: shared blocks end by themselves with their first hold."""

    def lane(self, resource_id: str, now: datetime, *, keep: bool = True) -> Lane:
        """Cannot be asked: whoever needs lanes needs the whole world."""
        raise NotImplementedError(f"a glimpse has no lane of {resource_id}")
