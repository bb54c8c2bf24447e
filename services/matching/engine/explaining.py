"""Explains the picked candidates: every term with its reason, and a sentence or two for people."""

from dataclasses import dataclass
from typing import TypeVar

from services.matching.domain import Candidate, Term
from services.matching.engine.layout import Scope
from services.matching.engine.scoring import Choice, Tables
from services.matching.rules.facts import DayFacts, SlotFacts
from services.matching.rules.preferences import Preference
from services.matching.rules.sentences import (
    Story,
    explanation,
    found_sentence,
    sentence,
    slot_text,
)

Facts = TypeVar("Facts", DayFacts, SlotFacts)


@dataclass(frozen=True, slots=True)
class Scene:
    """A ranking's scope with its facts, to speak about."""

    scope: Scope
    tables: Tables
    # Whether nobody else could serve.
    alone: bool

    def candidate(self, choice: Choice) -> Candidate:
        """Gives the candidate that a picked pair stands for."""
        resource = self.scope.matrix.resources[choice.resource]
        group = int(self.scope.layout.slot_groups[choice.slot])
        story = self._story(choice.resource, group)
        start = int(self.scope.layout.starts[choice.slot])
        terms = self._terms(story, choice.resource, group, start)
        return Candidate(
            resource_ids=(resource.id,),
            start=start,
            end=start + self.scope.matrix.duration,
            terms=terms,
            explanation=explanation(
                resource.name,
                terms,
                when=self._when(start),
                alone=self.alone,
            ),
        )

    def headline(self, best: Candidate) -> str:
        """Says how many choices there are and which is the best."""
        names = {resource.id: resource.name for resource in self.scope.matrix.resources}
        return found_sentence(
            len(self.scope.layout.pairs),
            f"{names[best.resource_ids[0]]}, {self._when(best.start)}, "
            f"a match of {best.match_percent} %",
        )

    def _story(self, row: int, group: int) -> Story:
        month = int(self.scope.layout.group_months[group])
        return Story(
            resource=self.scope.matrix.resources[row],
            share=self.tables.share(row, month),
            added=int(self.tables.added[row, group]),
            month=self.scope.layout.months[month],
        )

    def _terms(self, story: Story, row: int, group: int, start: int) -> tuple[Term, ...]:
        day = self.tables.facts(row, group)
        slot = SlotFacts(wait=start - self.scope.matrix.window_start, room=self.tables.slot.room)
        return (
            *(_term(rule, day, story) for rule in self.scope.policy.by_day if rule.applies(day)),
            *(_term(rule, slot, story) for rule in self.scope.policy.by_slot if rule.applies(slot)),
        )

    def _when(self, start: int) -> str:
        matrix = self.scope.matrix
        return slot_text(start, start + matrix.duration, self.scope.zone, matrix.time_zone)


def _term(rule: Preference[Facts], facts: Facts, story: Story) -> Term:
    return Term(
        rule=rule.name,
        points=int(rule.points(rule.weight, facts)),
        max_points=int(rule.most(rule.weight, facts)),
        reason=sentence(rule.reason(facts, story)),
    )
