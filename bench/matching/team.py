"""A training team over one year: who works when and can teach what, and what is wanted when."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

SEED = 20270101
YEAR = 2027
FIRST, END = date(YEAR, 1, 1), date(YEAR + 1, 1, 1)
DAY = timedelta(days=1)
# Each topic: how many of the twelve can teach it, and its share of what is wanted.
TOPICS = {"basics": (12, 0.46), "advanced": (7, 0.27), "cloud": (4, 0.17), "legacy": (2, 0.10)}
# Working days a week of each; the last two join in April and in September.
WEEKS = (5, 5, 5, 5, 4, 5, 4, 3, 5, 4, 5, 5)
JOINS = {10: date(YEAR, 4, 5), 11: date(YEAR, 9, 1)}
LEAVE_DAYS, LEAVE_STRETCHES = 28, 4
SICK_DAYS = 6
# Courses wanted per working day of the calendar, by season.
WANTED_PER_DAY = dict.fromkeys(range(1, 13), 4.5) | {7: 3.2, 8: 2.4, 12: 3.0}
NOTICE_DAYS, WINDOW_DAYS = (3, 15), (10, 28)
CANCELLED = 0.10


@dataclass(frozen=True)
class Trainer:
    """One of the team: what they teach, the days they offer, and the static priority."""

    name: str
    topics: frozenset[str]
    priority: int
    offered: frozenset[date]


@dataclass(frozen=True)
class Wanted:
    """A day's course wanted in a window of days, known from one day on, maybe cancelled later."""

    number: int
    topic: str
    known: date
    first: date
    end: date
    # Cancelled so many days after it was known; None: never.
    cancelled_after: int | None

    @property
    def cancelled(self) -> date | None:
        """The day on which it is cancelled, if it ever is."""
        return None if self.cancelled_after is None else self.known + DAY * self.cancelled_after


@dataclass(frozen=True)
class Story:
    """A year's team and what is wanted, in the order in which it becomes known."""

    trainers: tuple[Trainer, ...]
    wanted: tuple[Wanted, ...]
    # Sick on a day for which work may be planned: known that morning only.
    sick: frozenset[tuple[str, date]] = field(default=frozenset())


def story(seed: int = SEED) -> Story:
    """Makes a year; the same seed makes the same one anywhere."""
    random = Random(seed)
    trainers = tuple(_trainer(random, number) for number in range(len(WEEKS)))
    sick = frozenset(
        (one.name, day)
        for one in trainers
        for day in random.sample(sorted(one.offered), min(SICK_DAYS, len(one.offered)))
    )
    return Story(trainers, tuple(_wanted(random)), sick)


def days_of(first: date, end: date) -> list[date]:
    """Lists the days from `first` up to, not including, `end`."""
    return [first + DAY * number for number in range((end - first).days)]


def _trainer(random: Random, number: int) -> Trainer:
    # Specialists are the first ones, so that skills are skewed towards few.
    topics = frozenset(topic for topic, (able, _) in TOPICS.items() if number < able)
    off = random.sample(range(5), 5 - WEEKS[number])
    joins = JOINS.get(number, FIRST)
    days = [
        day
        for day in days_of(joins, END + 31 * DAY)
        if day.weekday() < 5 and day.weekday() not in off
    ]
    for _ in range(LEAVE_STRETCHES):
        begin = random.choice(days)
        length = DAY * (LEAVE_DAYS // LEAVE_STRETCHES)
        days = [day for day in days if not begin <= day < begin + length]
    return Trainer(f"t{number:02}", topics, random.randrange(3), frozenset(days))


def _wanted(random: Random) -> list[Wanted]:
    found: list[Wanted] = []
    names, weights = list(TOPICS), [share for _, share in TOPICS.values()]
    owed = 0.0
    for known in days_of(FIRST - 14 * DAY, END - 3 * DAY):
        if known.weekday() >= 5:
            continue
        owed += WANTED_PER_DAY[known.month]
        while owed >= 1:
            owed -= 1
            first = known + DAY * random.randint(*NOTICE_DAYS)
            end = first + DAY * random.randint(*WINDOW_DAYS)
            after = random.randint(0, 20) if random.random() < CANCELLED else None
            (topic,) = random.choices(names, weights)
            found.append(Wanted(len(found), topic, known, max(first, FIRST), end, after))
    return found
