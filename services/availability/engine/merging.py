"""Pages of slots where several resources may serve together."""

from collections.abc import Sequence

import numpy as np

from services.availability.domain import Merging, Resource
from services.availability.engine.answers import Slot
from services.availability.engine.surveying import Search
from services.availability.rules.intervals import minutes
from services.availability.rules.merges import mergeable
from services.availability.rules.slots import SlotTable


class Joint:
    """Who serves alone, and where nobody does, whether a merge could.

    It reads a table of all who are free whatever the party.
    """

    def __init__(self, search: Search, table: SlotTable, party: int, merging: Merging) -> None:
        """Takes the search without a party, what it found, and what is asked."""
        self._ranked = search.world.roster.ranked
        self._resources = search.world.roster.resources
        self._duration = search.question.shape.duration
        self._party = party
        self._merging = merging
        # The same few sets are free again and again.
        self._known: dict[tuple[str, ...], bool] = {}
        self.slots = tuple(self._slots(table))

    @property
    def table(self) -> SlotTable:
        """The starts, with how many serve alone; whom is in `slots`."""
        none = np.array([], dtype=np.int64)
        counts = np.array([slot.capacity for slot in self.slots], dtype=np.int64)
        return SlotTable(minutes([slot.start for slot in self.slots]), counts, none)

    def _slots(self, table: SlotTable) -> list[Slot]:
        ends = np.cumsum(table.capacities)
        candidates = table.candidates.tolist()
        found = []
        for start, count, end in zip(
            table.starts.tolist(), table.capacities.tolist(), ends.tolist(), strict=True
        ):
            free = [self._resources[self._ranked[rank]] for rank in candidates[end - count : end]]
            alone = tuple(one.id for one in free if self._takes(one))
            joint = not alone and self._mergeable(free)
            if alone or joint:
                found.append(Slot(start, start + self._duration, len(alone), alone, joint))
        return found

    def _takes(self, resource: Resource) -> bool:
        most = resource.capacity_max or self._party
        return resource.capacity_min <= self._party <= most

    def _mergeable(self, free: Sequence[Resource]) -> bool:
        key = tuple(one.id for one in free)
        if key not in self._known:
            self._known[key] = mergeable(free, self._party, self._merging)
        return self._known[key]
