"""A tenant that is not in memory, as far as shared blocks need it to be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from services.availability.domain import Resource, ServiceType, Span, Tenant
from services.availability.engine.board import generation_of
from services.availability.engine.roster import Roster
from services.availability.rules.lane import Lane
from services.availability.store import Catalog, Glance


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A catalog and the generations of its days; no schedules and no allocations."""

    seen: Glance
    tenant: Tenant
    resources: Mapping[str, Resource]
    service_types: Mapping[str, ServiceType]
    roster: Roster

    @classmethod
    def of(cls, catalog: Catalog, glance: Glance) -> Glimpse:
        """Makes it of what was read, which must be of one revision."""
        resources = {resource.id: resource for resource in catalog.resources}
        return cls(
            seen=glance,
            tenant=catalog.tenant,
            resources=resources,
            service_types={kind.id: kind for kind in catalog.service_types},
            roster=Roster(resources),
        )

    def moved(self, glance: Glance) -> Glimpse:
        """Gives the same catalog where the ledger stands now."""
        return replace(self, seen=glance)

    @property
    def revision(self) -> int:
        """The revision of the catalog."""
        return self.seen.revision

    @property
    def freshness(self) -> Mapping[str, int]:
        """The token of an answer made from it."""
        return {"catalog": self.seen.revision, "ledger": self.seen.position.number}

    def generation(self, span: Span) -> str:
        """Names the state of all that is taken in a span, as a whole world would."""
        return generation_of(self.revision, self.seen.stamps, span)

    def settle(self, now: datetime) -> None:
        """Does nothing: shared blocks end by themselves with their first hold."""

    def lane(self, resource_id: str, now: datetime, *, keep: bool = True) -> Lane:
        """Cannot be asked: whoever needs lanes needs the whole world."""
        raise LookupError(f"a glimpse has no lane of {resource_id}")
