"""Flags holds and assignments under which working time, leave or outside events changed."""

from dataclasses import replace

from kit import position
from kit.fault import NotFound, Unavailable
from services.assignment.domain import Obstacle, Question, Risk, Verdict
from services.assignment.engine.parts import Parts
from services.assignment.rules import risks_of
from services.assignment.store import ToCome

# Allocations that are looked at together.
PAGE = 200
# How often one is looked at again that moved while it was looked at.
LOOKS_MAX = 5


class Risks:
    """Looks at what is to come of some resources again and writes down what is in its way."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts

    async def look(
        self, tenant: str, resource_ids: tuple[str, ...] | None, *, revision: int
    ) -> int:
        """Looks at all that is to come of these resources, or with None of all, at a revision of
        the catalog; returns how many were looked at. Nothing is deleted.
        """
        moves = self._parts.moves
        await moves.note_catalog(tenant, resource_ids, revision)
        looked = 0
        last: ToCome | None = None
        while True:
            page = await moves.to_come(tenant, resource_ids, limit=PAGE, after=last)
            for found in page:
                await self._look_at(tenant, found, revision)
            looked += len(page)
            if len(page) < PAGE:
                return looked
            last = page[-1]

    async def _look_at(self, tenant: str, found: ToCome, revision: int) -> None:
        for _ in range(LOOKS_MAX):
            risks = await self._risks(found, revision)
            kept = found.allocation
            if risks == kept.risks:
                return
            reason = "; ".join(risk.detail or risk.code for risk in risks) or "nothing any more"
            if await self._parts.moves.flag(tenant, kept, risks, reason=reason):
                return
            again = await self._parts.reads.allocation(tenant, kept.id)
            if again is None or again.outcome.allocation is None:
                return
            found = replace(found, allocation=again.outcome.allocation)
        raise Unavailable("UNAVAILABLE", "an allocation moves faster than it can be looked at")

    async def _risks(self, found: ToCome, revision: int) -> tuple[Risk, ...]:
        kept = found.allocation
        verdicts: list[Verdict] = []
        # One at a time, since one that no longer exists would be refused for all.
        for resource_id in kept.resource_ids:
            try:
                checked = await self._parts.availability.check(
                    Question(
                        kept.service_type_id,
                        party_size=kept.party_size,
                        required_skills=found.required_skills,
                        place=found.place,
                    ),
                    resource_ids=(resource_id,),
                    start=kept.slot.start,
                    end=kept.slot.end,
                    at_least_as_fresh=position.encode({"catalog": revision}),
                    ignored=kept.id,
                )
            except NotFound as fault:
                # A kind of work that is offered no longer can still be served.
                if fault.metadata.get("resource_id") == resource_id:
                    gone = Obstacle("INACTIVE", detail="it no longer exists")
                    verdicts.append(Verdict(resource_id, (gone,)))
                continue
            verdicts += checked.verdicts
        return risks_of(verdicts)
