"""A world that is told what changed equals one that is read anew, at any moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.availability.domain import (
    Allocation,
    AllocationState,
    ExternalBusy,
    Resource,
    ResourceKind,
    Schedule,
    Skill,
    SkillRequirement,
    SlotShape,
    Span,
    StartBounds,
    Tenant,
    WallRange,
    Wanted,
    WeeklyRule,
    floor_minute,
)
from services.availability.engine.world import World
from services.availability.rules.expansions import Expansions
from services.availability.rules.slots import free_slots
from services.availability.rules.zones import Zones
from services.availability.store import Difference, Everything, Position

NOW = datetime(2031, 3, 3, 9, tzinfo=UTC)
START = floor_minute(NOW)
RULES = (WeeklyRule(frozenset(range(1, 8)), WallRange(480, 1380)),)
NAMES = [f"r{n}" for n in range(5)]
EXPANSIONS = Expansions(Zones())


class Truth:
    """What the database and the ledger hold, and a world that is told of every change."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.revision = 0
        self.tenant = Tenant("acme", time_zone="UTC")
        self.resources = {name: self.resource(name) for name in NAMES}
        self.schedules = {name: Schedule(rules=RULES) for name in NAMES}
        self.allocations: dict[str, Allocation] = {}
        self.told = self.anew()

    def anew(self) -> World:
        live = list(self.allocations.values())
        return World(
            Everything(
                revision=self.revision,
                position=Position("", 0),
                tenant=self.tenant,
                resources=dict(self.resources),
                schedules=dict(self.schedules),
                service_types={},
                allocations=live,
                generations={},
            )
        )

    def resource(self, name: str) -> Resource:
        skills = tuple(Skill(s) for s in ("a", "b") if self.random.random() < 0.7)
        return Resource(
            id=name,
            kind=ResourceKind.PERSON,
            skills=skills,
            priority=self.random.randint(0, 2),
            zone=self.random.choice(["", "n"]),
            active=self.random.random() < 0.9,
        )

    def step(self, now: datetime) -> None:
        self.random.choice([self.book, self.book, self.edit, self.busy, self.move, self.remove])(
            now
        )

    def span(self) -> Span:
        start = START + self.random.randint(0, 40) * 30
        return Span(start, start + self.random.choice([30, 60, 90]))

    def book(self, now: datetime) -> None:
        name = f"a{self.random.randint(0, 12)}"
        known = self.allocations.get(name)
        state = self.random.choice(list(AllocationState))
        span = self.span()
        made = Allocation(
            id=name,
            version=1 if known is None else known.version + 1,
            state=state,
            resource_ids=tuple(self.random.sample(NAMES, self.random.randint(1, 2))),
            slot=span,
            occupied=Span(span.start - 10, span.end + 10),
            expires_at=now + timedelta(minutes=self.random.randint(0, 90)),
        )
        self.allocations[name] = made
        self.told.allocate(made, {})
        # What comes late or twice changes nothing.
        if known is not None:
            self.told.allocate(known, {})

    def edit(self, now: datetime) -> None:
        name = self.random.choice(NAMES)
        self.resources[name] = self.resource(name)
        self.schedules.setdefault(name, Schedule(rules=RULES))
        self.tell(name)

    def busy(self, now: datetime) -> None:
        name = self.random.choice(sorted(self.resources) or NAMES)
        if name in self.schedules:
            event = ExternalBusy(name, "e", 1, self.span())
            self.schedules[name] = replace(self.schedules[name], external_busy=(event,))
            self.tell(name)

    def remove(self, now: datetime) -> None:
        name = self.random.choice(NAMES)
        self.resources.pop(name, None)
        self.schedules.pop(name, None)
        self.tell(name)

    def move(self, now: datetime) -> None:
        self.tenant = replace(self.tenant, time_zone=self.random.choice(["UTC", "Asia/Kolkata"]))
        self.tell(tenant=self.tenant)

    def tell(self, *names: str, tenant: Tenant | None = None) -> None:
        self.revision += 1
        self.told.change(
            Difference(
                revision=self.revision,
                resource_ids=frozenset(names),
                tenant=tenant,
                resources={n: self.resources[n] for n in names if n in self.resources},
                schedules={n: self.schedules[n] for n in names if n in self.schedules},
            )
        )


def answer(world: World, wanted: Wanted, now: datetime) -> tuple:
    contenders = world.contenders(wanted, now)
    table = free_slots(
        contenders,
        SlotShape(duration=60, granularity=30, buffer_before=5),
        window=Span(START, START + 1440),
        bounds=StartBounds(earliest=0, latest=START * 2),
        expansions=EXPANSIONS,
    )
    names = [one.lane.resource.id for one in contenders]
    return (
        names,
        table.starts.tolist(),
        table.capacities.tolist(),
        table.candidates.tolist(),
        world.roster.ineligible(wanted),
    )


@pytest.mark.parametrize("seed", range(12))
def test_told_equals_read_anew(seed: int) -> None:
    random = Random(seed)
    truth, now = Truth(random), NOW
    for _ in range(60):
        truth.step(now)
        # Holds run out by themselves, without anybody telling.
        now += timedelta(minutes=random.choice([0, 0, 1, 7]))
        wanted = Wanted(
            skills=random.choice([(), (SkillRequirement("a"),)]),
            zone=random.choice(["", "n"]),
        )
        assert answer(truth.told, wanted, now) == answer(truth.anew(), wanted, now), f"seed {seed}"


@pytest.mark.parametrize("seed", range(8))
def test_the_first_live_hold_of_a_span_is_known(seed: int) -> None:
    random = Random(seed)
    truth, now = Truth(random), NOW
    for _ in range(80):
        truth.book(now)
        now += timedelta(minutes=random.choice([0, 0, 1, 7]))
        truth.told.settle(now)
        span, left_out = truth.span(), f"a{random.randint(0, 12)}"
        live = [
            one
            for one in truth.allocations.values()
            if one.state is AllocationState.HELD
            and one.expires_at > now
            and one.occupied.overlaps(span)
        ]
        assert truth.told.first_expiry(span) == min((one.expires_at for one in live), default=None)
        rest = (one.expires_at for one in live if one.id != left_out)
        assert truth.told.without(left_out).first_expiry(span) == min(rest, default=None)


def test_a_kept_lane_ends_with_its_first_hold() -> None:
    truth = Truth(Random(0))
    held = Allocation(
        id="h",
        version=1,
        state=AllocationState.HELD,
        resource_ids=("r0",),
        slot=Span(START, START + 60),
        occupied=Span(START, START + 60),
        expires_at=NOW + timedelta(seconds=90),
    )
    truth.told.allocate(held, {"r0": 4})
    assert len(truth.told.lane("r0", NOW).taken) == 1
    assert len(truth.told.lane("r0", NOW + timedelta(seconds=89, microseconds=999_999)).taken) == 1
    assert len(truth.told.lane("r0", NOW + timedelta(seconds=90)).taken) == 0
    assert truth.told.generations == {"r0": 4}


def test_what_ended_long_ago_is_forgotten() -> None:
    truth = Truth(Random(0))
    past = Span(START - 20_000, START - 19_900)
    old = Allocation("o", 1, AllocationState.COMPLETED, ("r0", "r1"), past, past)
    truth.told.allocate(old, {})
    for name in ("r0", "r1"):
        assert len(truth.told.lane(name, NOW).taken) == 0
    assert truth.told._known == {}
