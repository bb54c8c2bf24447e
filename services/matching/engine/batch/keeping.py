"""What each place of a joint plan was decided on, to be kept before it is committed."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.matching.domain import Candidate
from services.matching.engine.batch.jobs import Item
from services.matching.engine.batch.wishes import Group, own
from services.matching.engine.ranking import Inputs, known_policy


@dataclass(frozen=True, slots=True)
class Planned:
    """One request's place in a joint plan, and all that could be chosen from for it."""

    booking_request_id: str
    inputs: Inputs
    policy: str
    candidate: Candidate


def planned(groups: Sequence[Group], items: Sequence[Item], policy: str) -> tuple[Planned, ...]:
    """Gives what each place of a plan was decided on."""
    places = {item.booking_request_id: item.candidate for item in items}
    rules = known_policy(policy)
    return tuple(
        Planned(member.booking_request_id, own(group.inputs, member, rules), policy, candidate)
        for group in groups
        for member in group.members
        if (candidate := places[member.booking_request_id]) is not None
    )
