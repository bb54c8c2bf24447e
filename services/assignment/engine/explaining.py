"""Asks matching why a plan is taken, where nobody gave a reason."""

import asyncio
from dataclasses import replace

from kit.fault import Fault
from services.assignment.domain import Candidate, Placing, WriteKey
from services.assignment.engine.alternatives import share_of_time
from services.assignment.engine.parts import Parts
from services.assignment.rules import unexplained


class Explaining:
    """Gives every plan that is committed its reason."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts

    async def explained(self, key: WriteKey, placing: Placing, *, own: str = "") -> Placing:
        """Where nobody gave a reason, matching's explanation is it; any resource that will do is
        then taken in matching's order. The time of `own`, which gives way, counts as free.
        """
        if placing.reasons[0]:
            return placing
        found: str | None = None
        why = "it does not rank this plan"
        try:
            async with asyncio.timeout(share_of_time()):
                if placing.any_of:
                    ranked = await self._ranked(placing)
                    if ranked:
                        return replace(
                            placing,
                            resource_ids=tuple(c.resource_ids[0] for c in ranked),
                            reasons=tuple(c.explanation for c in ranked),
                        )
                else:
                    found = await self._parts.matching.explain(
                        placing.question,
                        resource_ids=placing.resource_ids,
                        slot=placing.slot,
                        ignored=own,
                    )
        except (Fault, TimeoutError) as error:
            why = f"it did not answer ({error.reason if isinstance(error, Fault) else 'time'})"
        return replace(placing, reasons=(found or unexplained(key.actor, why),))

    async def _ranked(self, placing: Placing) -> list[Candidate]:
        """Returns matching's order of the resources that could serve the slot alone."""
        ranked = await self._parts.matching.rank(
            placing.question, window=placing.slot, limit=len(placing.resource_ids)
        )
        known = set(placing.resource_ids)
        return [
            candidate
            for candidate in ranked
            if len(candidate.resource_ids) == 1
            and candidate.resource_ids[0] in known
            and candidate.slot.start == placing.slot.start
            and candidate.explanation
        ]
