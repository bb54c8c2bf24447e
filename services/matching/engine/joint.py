"""Explains the best merges, and says how much better others could be."""

from dataclasses import dataclass

from services.matching.domain import Candidate, Optimality
from services.matching.engine.explaining import Scene
from services.matching.engine.merging import Merging, best_merges
from services.matching.engine.scoring import Tables
from services.matching.rules.preferences import JOINTS


@dataclass(frozen=True, slots=True)
class Choices:
    """Candidates of one sort, best first, with a sentence; empty where there are none."""

    candidates: tuple[Candidate, ...] = ()
    result: str = ""
    # Who is part of a merge, though alone it could not serve.
    usable: frozenset[str] = frozenset()
    optimality: Optimality = Optimality.OPTIMAL
    gap_percent: int = 0


def joint_choices(
    merging: Merging, tables: Tables, *, without: frozenset[int], limit: int
) -> Choices:
    """Picks and explains the best merges, at starts where nobody serves alone."""
    scene = Scene(merging.scope, tables, alone=False)
    picked = best_merges(merging, tables, without=without, limit=limit)
    found = tuple(scene.joint_candidate(one, merging.party) for one in picked)
    if not found:
        return Choices(optimality=unknown(merging))
    return Choices(
        candidates=found,
        result=scene.headline_of(found[0], len(found)),
        usable=merging.usable,
        optimality=Optimality.OPTIMAL if merging.found.complete else Optimality.BOUNDED,
        gap_percent=0 if merging.found.complete else _gap(merging, found[0]),
    )


def unknown(merging: Merging) -> Optimality:
    """Says what it means that no merge was found."""
    return Optimality.OPTIMAL if merging.found.complete else Optimality.BUDGET_EXHAUSTED


def _gap(merging: Merging, best: Candidate) -> int:
    """Gives by how many percent a merge that was not found could suit better.

    It joins at least as many resources as the search had not come to, and may have every other
    point there is.
    """
    most = sum(term.max_points for term in best.terms)
    if not most:
        return 0
    joints = next((term.max_points for term in best.terms if term.rule == JOINTS.name), 0)
    bound = most - joints + joints * 2 // merging.found.missing_size_min
    return max(0, 100 * bound // most - best.match_percent)
