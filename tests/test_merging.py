"""Three contexts speak of merges, each by rules of its own: they must say the same."""

from random import Random

from services.assignment.domain import Merge
from services.assignment.domain import Part as LedgerPart
from services.assignment.rules import refusal_of_merge
from services.availability.domain import Merging, Resource, ResourceKind
from services.availability.rules.merges import mergeable
from services.matching.rules.merges import Terms, merges
from services.matching.tests import floors

FLOORS = 150


def test_search_ranking_and_ledger_agree_on_every_floor():
    seen = 0
    for seed in range(FLOORS):
        random = Random(seed)
        parts = floors.floor(random, random.randrange(10), zones=random.choice((1, 2)))
        terms = Terms(random.choice((0, 2, 3)), random.choice((0, 1)))
        party = random.randint(2, 14)
        found = merges(parts, party, terms).merges
        resources = [
            Resource(
                id=one.id,
                kind=ResourceKind.TABLE,
                zone=one.zone,
                movable=one.movable,
                capacity_max=one.seats,
                adjacent_resource_ids=tuple(one.adjacent),
            )
            for one in parts
        ]
        asked = Merging(terms.size_max, terms.seat_loss_per_joint)
        assert mergeable(resources, party, asked) == bool(found), seed
        ledger = {
            one.id: LedgerPart(one.id, one.zone, one.movable, one.seats, one.adjacent)
            for one in parts
        }
        for merge in found:
            chosen = tuple(ledger[parts[place].id] for place in merge.members)
            asked_whole = Merge(chosen, terms.size_max, terms.seat_loss_per_joint)
            assert refusal_of_merge(asked_whole, party) is None
            seen += 1
        # Whatever the ledger takes of two is what brute force finds.
        for first in parts:
            for other in parts:
                if first.id < other.id and 0 < first.seats < party and 0 < other.seats < party:
                    pair = Merge(
                        (ledger[first.id], ledger[other.id]),
                        terms.size_max,
                        terms.seat_loss_per_joint,
                    )
                    taken = refusal_of_merge(pair, party) is None
                    assert taken == floors.serves((first, other), party, terms)
    assert seen > FLOORS
