"""Lets two policies decide on the same inputs and says where and why they differ."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.matching.domain import Candidate, Ranking
from services.matching.engine.decisions.codec import decode
from services.matching.engine.placing import candidate_at
from services.matching.engine.ranking import Inputs, decide, known_policy

# Kinds of difference; the rule that weighed most follows.
RESOURCE, START, INFEASIBLE, NOBODY = "RESOURCE", "START", "INFEASIBLE", "NOBODY"


@dataclass(frozen=True, slots=True)
class Pick:
    """The best candidate of a ranking; `start` in minutes since the epoch."""

    resource_ids: tuple[str, ...]
    start: int
    match_percent: int
    # Chosen together with the places of other requests, so not for itself alone.
    joint: bool = False

    def as_json(self) -> dict[str, Any]:
        """Returns the pick for the store."""
        return {
            "resource_ids": list(self.resource_ids),
            "start": self.start,
            "match_percent": self.match_percent,
            "joint": self.joint,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "Pick":
        """Reads what the store has."""
        return cls(
            tuple(value["resource_ids"]),
            value["start"],
            value["match_percent"],
            value.get("joint", False),
        )

    def same_place(self, other: "Pick | None") -> bool:
        """Whether both mean the same plan in the same slot."""
        return other is not None and (self.resource_ids, self.start) == (
            other.resource_ids,
            other.start,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two policies made of the same inputs."""

    deciding: Pick
    # None where it found nobody.
    other: Pick | None
    # Whether the deciding policy picks again what it picked; of a place in a joint plan, whether it
    # gives it as many points again.
    reproduced: bool
    # Whether the other's pick is free in the inputs.
    feasible: bool
    # Points of 100 that the deciding policy gives the other's pick less than its own.
    score_difference: int
    # The kind of difference and the rule that weighed most; empty where both pick the same.
    reason: str
    sentence: str
    deciding_ms: float
    other_ms: float

    @property
    def same_pick(self) -> bool:
        """Whether both pick the same plan in the same slot."""
        return self.deciding.same_place(self.other)

    def as_json(self) -> dict[str, Any]:
        """Returns the comparison for the store."""
        return {
            "deciding": self.deciding.as_json(),
            "other": self.other.as_json() if self.other else None,
            "reproduced": self.reproduced,
            "feasible": self.feasible,
            "score_difference": self.score_difference,
            "reason": self.reason,
            "sentence": self.sentence,
            "deciding_ms": self.deciding_ms,
            "other_ms": self.other_ms,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "Comparison":
        """Reads what the store has."""
        other = value["other"]
        return cls(
            **{
                **value,
                "deciding": Pick.of_json(value["deciding"]),
                "other": Pick.of_json(other) if other else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Past:
    """A kept decision: its inputs as bytes, who decided, and what was picked."""

    inputs: bytes
    policy: str
    pick: Pick


@dataclass(frozen=True, slots=True)
class CompareJob:
    """Past decisions to be decided again by another policy."""

    decisions: tuple[Past, ...]
    other_policy: str


def compare_all(job: CompareJob, tell: Callable[[int], None]) -> tuple[Comparison, ...]:
    """Compares decision after decision; tells how many are done."""
    found = []
    for past in job.decisions:
        found.append(compared(decode(past.inputs), past.policy, job.other_policy, picked=past.pick))
        tell(len(found))
    return tuple(found)


def compared(inputs: Inputs, deciding: str, other: str, *, picked: Pick) -> Comparison:
    """Compares two policies on the inputs on which one of them picked `picked`."""
    again, deciding_ms = _timed(inputs, deciding)
    different, other_ms = _timed(inputs, other)
    mine, theirs = pick_of(again), pick_of(different)
    difference, reason, said = 0, "", ""
    feasible = theirs is None or is_free(inputs, theirs)
    if theirs is None:
        reason, said = NOBODY, f"{other} finds nobody."
    elif not picked.same_place(theirs):
        kind = RESOURCE if picked.resource_ids != theirs.resource_ids else START
        rule = _deciding_rule(inputs, other, theirs, picked)
        difference = _difference(inputs, deciding, picked, theirs)
        reason = f"{kind if feasible else INFEASIBLE}:{rule}"
        said = f"{other} prefers {', '.join(theirs.resource_ids)}, most by {rule}."
    return Comparison(
        deciding=picked,
        other=theirs,
        reproduced=_reproduced(inputs, deciding, picked, mine),
        feasible=feasible,
        score_difference=difference,
        reason=reason,
        sentence=said,
        deciding_ms=deciding_ms,
        other_ms=other_ms,
    )


def _reproduced(inputs: Inputs, policy: str, picked: Pick, mine: Pick | None) -> bool:
    if picked.joint:
        there = _at(inputs, policy, picked)
        return there is not None and there.match_percent == picked.match_percent
    return (
        mine is not None and picked.same_place(mine) and mine.match_percent == picked.match_percent
    )


def pick_of(ranking: Ranking) -> Pick | None:
    """Returns the best candidate's place, if there is one."""
    if not ranking.candidates:
        return None
    best = ranking.candidates[0]
    return Pick(best.resource_ids, best.start, best.match_percent)


def is_free(inputs: Inputs, pick: Pick) -> bool:
    """Whether each of the pick's resources is free at its start, by the inputs alone: where several
    serve together, by those about whoever could be part.
    """
    if len(pick.resource_ids) > 1 and inputs.parts is not None:
        inputs = inputs.parts
    matrix = inputs.matrix
    slot = int(np.searchsorted(matrix.starts, pick.start))
    if slot == len(matrix.starts) or int(matrix.starts[slot]) != pick.start:
        return False
    begin = int(matrix.capacities[:slot].sum())
    rows = matrix.pairs[begin : begin + int(matrix.capacities[slot])].tolist()
    return set(pick.resource_ids) <= {matrix.resources[row].id for row in rows}


def _timed(inputs: Inputs, policy: str) -> tuple[Ranking, float]:
    begun = time.perf_counter()
    found = decide(inputs, known_policy(policy), limit=1, max_rejections=0)
    return found, round(1000 * (time.perf_counter() - begun), 3)


def _difference(inputs: Inputs, policy: str, picked: Pick, theirs: Pick) -> int:
    """Returns what a policy gives another's pick less than its own."""
    there = _at(inputs, policy, theirs)
    return max(picked.match_percent - (there.match_percent if there else 0), 0)


def _deciding_rule(inputs: Inputs, policy: str, theirs: Pick, picked: Pick) -> str:
    """Returns the rule by which a policy's pick gains most over another place."""
    best, there = _at(inputs, policy, theirs), _at(inputs, policy, picked)
    if best is None or there is None:
        return "order"
    points = {term.rule: term.points for term in there.terms}
    gains = [(term.points - points.get(term.rule, 0), term.rule) for term in best.terms]
    most = max(gains, key=lambda gain: gain[0], default=(0, ""))
    # With as many points everywhere, it was the order among equals.
    return most[1] if most[0] > 0 else "order"


def _at(inputs: Inputs, policy: str, pick: Pick) -> Candidate | None:
    return candidate_at(inputs, known_policy(policy), pick.resource_ids, pick.start)


def places_of(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Names each candidate's place as commits name theirs."""
    return tuple(place(one.resource_ids, one.start) for one in candidates)


def place(resource_ids: Sequence[str], start: int) -> str:
    """Names a plan in a slot: its resources, sorted, and the minute it starts."""
    return f"{','.join(sorted(resource_ids))}@{start}"
