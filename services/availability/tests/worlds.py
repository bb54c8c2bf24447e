"""Random worlds by seed: all rules of time at once, around the hardest days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from services.availability.domain import (
    LAST_MINUTE,
    Allocation,
    AllocationState,
    ExceptionKind,
    ExternalBusy,
    GridAnchor,
    HolidayCalendar,
    Limits,
    Place,
    Resource,
    ResourceKind,
    Schedule,
    ScheduleException,
    Skill,
    SkillRequirement,
    SlotShape,
    Span,
    StartBounds,
    Tenant,
    TimeOff,
    WallRange,
    Wanted,
    WeeklyRule,
    date_of,
    floor_minute,
    moment_of,
)
from services.availability.tests.oracle import Person

# A zone and a day on or beside which its clocks change (or a quiet one).
HARD_DAYS = (
    ("America/New_York", date(2024, 3, 10)),
    ("America/New_York", date(2024, 11, 3)),
    ("Australia/Lord_Howe", date(2024, 10, 6)),
    ("Australia/Lord_Howe", date(2024, 4, 7)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Africa/Cairo", date(2024, 10, 31)),
    ("Antarctica/Troll", date(2024, 3, 31)),
    ("Antarctica/Troll", date(2024, 10, 27)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(2024, 2, 29)),
    # Days on which somebody's country rests.
    ("Europe/Berlin", date(2024, 12, 25)),
    ("America/New_York", date(2024, 7, 4)),
)
CALENDARS = (
    HolidayCalendar(),
    HolidayCalendar(none=True),
    HolidayCalendar("US"),
    HolidayCalendar("DE", "BE"),
    HolidayCalendar("BR"),
)
TENANT = Tenant("acme", time_zone="Europe/Berlin", holidays=HolidayCalendar("DE", "BE"))
DAY = 1440


@dataclass(frozen=True)
class World:
    """People, a question and a moment."""

    people: tuple[Person, ...]
    shape: SlotShape
    wanted: Wanted
    window: Span
    bounds: StartBounds
    now: datetime
    near: Place | None


def world(seed: int) -> World:
    """Makes a world of a few people around a hard day; the same seed makes the same one."""
    return _Maker(Random(seed)).world()


class _Maker:
    """Draws the parts of a world one after the other."""

    def __init__(self, random: Random) -> None:
        self.r = random
        self.zone, self.day = random.choice(HARD_DAYS)
        self.midnight = floor_minute(
            datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        )
        start = self.midnight - DAY + random.randint(0, DAY)
        self.window = Span(start, start + random.choice([90, DAY, DAY, 3 * DAY]))
        self.now = moment_of(start + random.choice([-5000, -5000, 0, 300]))

    def sometimes(self, share: float) -> bool:
        return self.r.random() < share

    def world(self) -> World:
        r = self.r
        earliest = floor_minute(self.now) + r.choice([0, 0, 61])
        latest = self.window.start + 1000 if self.sometimes(0.15) else LAST_MINUTE
        return World(
            people=tuple(self.person(f"r{n}") for n in range(r.randint(1, 4))),
            shape=SlotShape(
                duration=r.choice([15, 30, 45, 60, 60, 480, 1500]),
                granularity=r.choice([15, 30, 35, 50, 60]),
                anchor=r.choice(list(GridAnchor)),
                buffer_before=r.choice([0, 15]),
                buffer_after=r.choice([0, 25]),
                grid_zone=r.choice(["", "", "", self.zone, "UTC"]),
            ),
            wanted=Wanted(
                skills=r.choice(
                    [(), (), (SkillRequirement("boiler"),), (SkillRequirement("gas", 1),)]
                ),
                party_size=r.choice([0, 0, 1, 3, 5]),
                zone=r.choice(["", "", "", "north"]),
                resource_ids=("r0", "r1") if self.sometimes(0.2) else (),
            ),
            window=self.window,
            bounds=StartBounds(earliest=earliest, latest=latest),
            now=self.now,
            near=self.place() if self.sometimes(0.3) else None,
        )

    def place(self) -> Place:
        """Draws a place within an hour's way or so of the others."""
        return Place(52.5 + self.r.uniform(-0.2, 0.2), 13.4 + self.r.uniform(-0.3, 0.3))

    def limits(self) -> Limits:
        r = self.r
        if not self.sometimes(0.4):
            return Limits()
        return Limits(r.choice([0, 1, 2]), r.choice([0, 0, 1, 3]), r.choice([0, 0, 60, 240]))

    def person(self, name: str) -> Person:
        r = self.r
        expiry = moment_of(self.window.start + r.randint(0, 1500))
        skills = [
            Skill(one, r.randint(0, 2), expiry if self.sometimes(0.3) else None)
            for one in ("boiler", "gas")
            if self.sometimes(0.8)
        ]
        return Person(
            Resource(
                id=name,
                kind=ResourceKind.PERSON,
                active=not self.sometimes(0.05),
                time_zone=r.choice([self.zone, self.zone, self.zone, "Asia/Kolkata", ""]),
                skills=tuple(skills),
                priority=r.randint(0, 2),
                capacity_min=r.choice([0, 0, 2]),
                capacity_max=r.choice([0, 0, 4]),
                zone=r.choice(["", "north"]),
                joined_on=self.day if self.sometimes(0.1) else None,
                home=self.place() if self.sometimes(0.5) else None,
                limits=self.limits(),
                holidays=r.choice(CALENDARS),
            ),
            Schedule(
                rules=tuple(self.rule() for _ in range(r.randint(1, 3))),
                exceptions=tuple(self.exception() for _ in range(r.choice([0, 0, 1, 2]))),
                time_off=tuple(
                    TimeOff(f"t{n}", name, self.span()) for n in range(r.choice([0, 0, 1]))
                ),
                external_busy=tuple(
                    ExternalBusy(name, f"e{n}", 0, self.span(), deleted=self.sometimes(0.3))
                    for n in range(r.randint(0, 3))
                ),
            ),
            tuple(self.allocation() for _ in range(r.randint(0, 3))),
        )

    def moment_of_day(self) -> int:
        return self.r.choice([self.r.randint(0, 96) * 15, self.r.randint(0, DAY)])

    def hours(self) -> WallRange:
        start = self.moment_of_day()
        length = self.r.choice([0, 30, 95, 240, 480, 600, 600, 900, DAY, 1800])
        end = min(start + length, 2 * DAY)
        if DAY < end < DAY + start and self.sometimes(0.5):
            end -= DAY
        return WallRange(start, end)

    def rule(self) -> WeeklyRule:
        breaks = []
        for _ in range(self.r.choice([0, 0, 1, 2])):
            start = self.moment_of_day()
            breaks.append(WallRange(start, start + self.r.choice([10, 30, 60])))
        return WeeklyRule(
            weekdays=frozenset(self.r.sample(range(1, 8), self.r.randint(3, 7))),
            hours=self.hours(),
            breaks=tuple(breaks),
            valid_from=self.day if self.sometimes(0.1) else None,
            valid_until=self.day if self.sometimes(0.1) else None,
        )

    def exception(self) -> ScheduleException:
        kind = self.r.choice(list(ExceptionKind))
        if kind is ExceptionKind.OFFER:
            return ScheduleException("x", "", kind, span=self.span())
        ranges: tuple[WallRange, ...] = ()
        if kind is not ExceptionKind.CLOSED:
            ranges = tuple(self.hours() for _ in range(self.r.randint(0, 2)))
        on = date_of(self.midnight // DAY + self.r.randint(-1, 2))
        return ScheduleException("x", "", kind, on=on, ranges=ranges)

    def span(self) -> Span:
        low, high = self.window.start - 300, self.window.end + 300
        start = self.r.randint(low // 5, high // 5) * 5
        return Span(start, start + self.r.choice([1, 5, 30, 60, 180, 700]))

    def allocation(self) -> Allocation:
        slot = self.span()
        before, after = self.r.choice([0, 10]), self.r.choice([0, 20])
        state = self.r.choice(list(AllocationState))
        expiry = self.now + timedelta(seconds=self.r.choice([-1, 0, 1]))
        return Allocation(
            id=f"a{self.r.random()}",
            version=1,
            state=state,
            resource_ids=(),
            slot=slot,
            occupied=Span(slot.start - before, slot.end + after),
            expires_at=expiry if state is AllocationState.HELD else None,
            place=self.place() if self.sometimes(0.6) else None,
        )
