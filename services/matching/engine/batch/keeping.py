"""What each place of a joint plan was decided on, to be kept before it is committed."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.matching.domain import Candidate, Window
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
    """Gives what each place of a plan was decided on; who asked the same shares it."""
    places = {item.booking_request_id: item.candidate for item in items}
    rules = known_policy(policy)
    found = []
    for group in groups:
        by_window: dict[Window, Inputs] = {}
        for member in group.members:
            candidate = places[member.booking_request_id]
            if candidate is None:
                continue
            if member.window not in by_window:
                by_window[member.window] = own(group.inputs, member, rules)
            inputs = by_window[member.window]
            found.append(Planned(member.booking_request_id, inputs, policy, candidate))
    return tuple(found)
