"""Explains the picked candidates: every term with its reason, and a sentence or two for people."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.matching.domain import Candidate, Term
from services.matching.engine.layout import Scope
from services.matching.engine.merging import Joined, joint_facts
from services.matching.engine.scoring import Choice, Tables
from services.matching.rules.facts import SlotFacts
from services.matching.rules.preferences import FIT, JOINTS, Facts, Preference
from services.matching.rules.sentences import (
    Story,
    explanation,
    found_sentence,
    sentence,
    slot_text,
    together_text,
)
from services.matching.rules.settings import Unit


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
        terms = self._terms(story, choice, group, start)
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

    def joint_candidate(self, joined: Joined, party: int) -> Candidate:
        """Gives the candidate that a merge stands for: as good as the weakest in it."""
        resources = [self.scope.matrix.resources[row] for row in joined.members]
        group = int(self.scope.layout.slot_groups[joined.slot])
        start = int(self.scope.layout.starts[joined.slot])
        terms = self._joint_terms(joined, party, group, start)
        return Candidate(
            resource_ids=tuple(one.id for one in resources),
            start=start,
            end=start + self.scope.matrix.duration,
            terms=terms,
            explanation=explanation(
                together_text([one.name for one in resources]),
                terms,
                when=self._when(start),
                alone=False,
            ),
        )

    def _joint_terms(self, joined: Joined, party: int, group: int, start: int) -> tuple[Term, ...]:
        terms = []
        for rule in self.scope.policy.by_day:
            about = [(row, self.tables.facts(row, group)) for row in joined.members]
            if rule.name in {FIT.name, JOINTS.name}:
                row, plain = about[0]
                whole = joint_facts(
                    plain, party=party, seats=joined.seats, parts=len(joined.members)
                )
                about = [(row, whole)]
            counted = [
                (int(rule.points(rule.weight, facts)), place, row, facts)
                for place, (row, facts) in enumerate(about)
                if rule.applies(facts)
            ]
            if counted:
                _, _, row, facts = min(counted, key=lambda one: one[:2])
                terms.append(_term(rule, facts, self._story(row, group)))
        slot = SlotFacts(wait=start - self.scope.matrix.window_start, room=self.tables.slot.room)
        for rule_ in self.scope.policy.by_slot:
            if rule_.applies(slot):
                story = self._story(joined.members[0], group)
                terms.append(_term(rule_, slot, story))
        return tuple(terms)

    def headline(self, best: Candidate) -> str:
        """Says how many choices there are and which is the best."""
        return self.headline_of(best, len(self.scope.layout.pairs))

    def headline_of(self, best: Candidate, count: int) -> str:
        """Says that there are so many choices and which is the best."""
        names = {resource.id: resource.name for resource in self.scope.matrix.resources}
        who = together_text([names[one] for one in best.resource_ids])
        return found_sentence(
            count, f"{who}, {self._when(best.start)}, a match of {best.match_percent} %"
        )

    def _story(self, row: int, group: int) -> Story:
        month = int(self.scope.layout.group_months[group])
        return Story(
            resource=self.scope.matrix.resources[row],
            share=self.tables.share(row, month),
            added=int(self.tables.added[row, group]),
            month=self.scope.layout.months[month],
            in_hours=self.scope.settings.unit is Unit.HOURS,
        )

    def _terms(self, story: Story, choice: Choice, group: int, start: int) -> tuple[Term, ...]:
        policy = self.scope.policy
        day = self.tables.facts(choice.resource, group)
        slot = SlotFacts(wait=start - self.scope.matrix.window_start, room=self.tables.slot.room)
        return (
            *(_term(rule, day, story) for rule in policy.by_day if rule.applies(day)),
            *self._pair_terms(story, choice),
            *(_term(rule, slot, story) for rule in policy.by_slot if rule.applies(slot)),
        )

    def _pair_terms(self, story: Story, choice: Choice) -> Iterator[Term]:
        rules = self.scope.policy.by_pair
        if not rules or not self.tables.pair:
            return
        facts = self.tables.pair.at(self.scope.layout.pair_of(choice.slot, choice.resource))
        for rule in rules:
            if rule.applies(facts):
                yield _term(rule, facts, story)

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
