"""Scores one place of given inputs: a plan in a slot, whatever else there is."""

from collections.abc import Sequence

import numpy as np

from services.matching.domain import Candidate
from services.matching.engine.explaining import Scene
from services.matching.engine.layout import Scope
from services.matching.engine.merging import Joined, merging_of
from services.matching.engine.ranking import Inputs, scope_of
from services.matching.engine.scoring import Choice
from services.matching.engine.work import tables_of
from services.matching.rules.policies import Policy


def candidate_at(
    inputs: Inputs, policy: Policy, resource_ids: Sequence[str], start: int
) -> Candidate | None:
    """Gives a plan in a slot as a policy scores it; nothing if it is no place of the inputs."""
    if len(resource_ids) > 1:
        return _together(inputs, policy, resource_ids, start)
    scope = scope_of(inputs, policy)
    slot = _slot(scope, start)
    rows = _rows(scope, slot) if slot is not None else {}
    if inputs.work is None or slot is None or resource_ids[0] not in rows:
        return None
    scene = Scene(scope, tables_of(scope, inputs.work), alone=False)
    return scene.candidate(Choice(slot, rows[resource_ids[0]], 0))


def _together(
    inputs: Inputs, policy: Policy, resource_ids: Sequence[str], start: int
) -> Candidate | None:
    parts, terms = inputs.parts, inputs.matrix.merging
    if parts is None or parts.work is None or terms is None:
        return None
    scope = scope_of(parts, policy)
    slot = _slot(scope, start)
    if slot is None or not set(resource_ids) <= set(_rows(scope, slot)):
        return None
    party = inputs.question.party_size
    merging = merging_of(scope, party, terms)
    for merge in merging.found.merges:
        members = merging.members(merge)
        if {scope.matrix.resources[row].id for row in members} == set(resource_ids):
            scene = Scene(scope, tables_of(scope, parts.work), alone=False)
            return scene.joint_candidate(Joined(slot, members, merge.seats, 0), party)
    return None


def _slot(scope: Scope, start: int) -> int | None:
    starts = scope.layout.starts
    slot = int(np.searchsorted(starts, start))
    return slot if slot < len(starts) and int(starts[slot]) == start else None


def _rows(scope: Scope, slot: int) -> dict[str, int]:
    """Gives the row of each resource that is free in a slot, by id."""
    layout = scope.layout
    first = int(layout.capacities[:slot].sum())
    rows = layout.pairs[first : first + int(layout.capacities[slot])].tolist()
    return {scope.matrix.resources[row].id: row for row in rows}
