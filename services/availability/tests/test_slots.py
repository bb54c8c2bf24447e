"""The slot engine agrees with a brute-force oracle on random worlds, and with its explanations."""

import pytest

from services.availability.rules.attempt import Attempt
from services.availability.rules.eligibility import ineligibility, qualified_until
from services.availability.rules.expansions import Expansions
from services.availability.rules.lane import lane_of
from services.availability.rules.obstacles import obstacles
from services.availability.rules.slots import Contender, SlotTable, free_slots
from services.availability.rules.travel import Site, StraightLine
from services.availability.rules.working import pattern_of
from services.availability.rules.zones import Zones
from services.availability.tests import oracle
from services.availability.tests.worlds import TENANT, World, world

# The seed is the test's id, so a failure says which world to look at.
SEEDS = range(160)
FEW_SEEDS = range(60)
MANY_SEEDS = range(1_000, 5_000)


def contenders_of(made: World) -> list[Contender]:
    """Gives the resources that may serve, best static priority first."""
    found = []
    for person in sorted(made.people, key=lambda one: (one.resource.priority, one.resource.id)):
        wanted = made.wanted
        if wanted.resource_ids and person.resource.id not in wanted.resource_ids:
            continue
        if ineligibility(person.resource, wanted):
            continue
        lane = lane_of(
            person.resource,
            person.schedule,
            person.allocations,
            pattern=pattern_of(person.resource, person.schedule, TENANT),
            now=made.now,
        )
        found.append(Contender(lane, qualified_until(person.resource, wanted)))
    return found


def listed(contenders: list[Contender], table: SlotTable) -> dict[int, list[str]]:
    """Reads a table as rows."""
    found: dict[int, list[str]] = {}
    position = 0
    for start, capacity in zip(table.starts.tolist(), table.capacities.tolist(), strict=True):
        indexes = table.candidates[position : position + capacity].tolist()
        found[start] = [contenders[index].lane.resource.id for index in indexes]
        position += capacity
    return found


def search(made: World, contenders: list[Contender], expansions: Expansions) -> SlotTable:
    """Asks the engine the world's question."""
    return free_slots(
        contenders,
        made.shape,
        window=made.window,
        bounds=made.bounds,
        expansions=expansions,
        site=site_of(made),
    )


def site_of(made: World) -> Site | None:
    """Gives where the work of a world is."""
    return None if made.near is None else Site(made.near, StraightLine())


@pytest.mark.parametrize("block", range(0, len(SEEDS), 40))
def test_engine_agrees_with_the_oracle(block: int) -> None:
    # Worlds in which nothing is free would prove little.
    assert agreed(SEEDS[block : block + 40]) >= 10


@pytest.mark.soak
@pytest.mark.parametrize("block", range(0, len(MANY_SEEDS), 500))
def test_engine_agrees_with_the_oracle_on_thousands_of_worlds(block: int) -> None:
    assert agreed(MANY_SEEDS[block : block + 500]) >= 120


def agreed(seeds: range) -> int:
    """Asks engine and oracle the same of every world; gives in how many something is free."""
    answered = 0
    for seed in seeds:
        made = world(seed)
        contenders = contenders_of(made)
        found = listed(contenders, search(made, contenders, Expansions(Zones())))
        expected = oracle.answer(
            made.people,
            made.shape,
            made.wanted,
            window=made.window,
            bounds=made.bounds,
            now=made.now,
            tenant=TENANT,
            near=made.near,
        )
        assert found == expected, f"seed {seed}"
        answered += bool(found)
    return answered


def test_a_slot_is_listed_exactly_where_nothing_is_in_the_way() -> None:
    for seed in FEW_SEEDS:
        made = world(seed)
        contenders = contenders_of(made)
        expansions = Expansions(Zones())
        found = listed(contenders, search(made, contenders, expansions))
        last = made.window.end - made.shape.duration
        for start in {*found, *range(made.window.start, last + 1, 13)}:
            attempt = Attempt(
                start=start,
                shape=made.shape,
                wanted=made.wanted,
                bounds=made.bounds,
                now=made.now,
                on_grid=True,
                site=site_of(made),
            )
            for contender in contenders:
                reasons = obstacles(contender.lane, attempt, expansions)
                shown = contender.lane.resource.id in found.get(start, [])
                assert shown == (not reasons), (seed, start, reasons)


def test_answers_from_kept_expansions_equal_fresh_ones() -> None:
    kept = Expansions(Zones())
    for seed in FEW_SEEDS:
        made = world(seed)
        contenders = contenders_of(made)
        search(made, contenders, kept)
        again = search(made, contenders, kept)
        fresh = search(made, contenders, Expansions(Zones()))
        assert listed(contenders, again) == listed(contenders, fresh), f"seed {seed}"
        assert int(again.capacities.sum()) == len(again.candidates)
