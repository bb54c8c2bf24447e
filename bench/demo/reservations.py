"""Reads a file of real restaurant reservations and moves it ahead into the future."""

import csv
import gzip
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.demo.jobs import Job, Play, habits_of

ZONE = "Asia/Tokyo"
TABLES_FILE = "tables_derived.csv"
ADJACENCY_FILE = "table_adjacency_derived.csv"
RESERVATIONS_MAX = 20_000
SITTING_HOURS = 2
MINUTES_PER_HOUR = 60
WEEK = timedelta(weeks=1)
# The first visit lies at least this far ahead, so that no run outlasts it.
LEAD = timedelta(days=1)
WEEKDAYS = 7


@dataclass(frozen=True, slots=True)
class Reservation:
    """One row: who wanted which store when. Times are wall clocks of ZONE, to the hour."""

    id: str
    store: str
    created_at: datetime
    visit_at: datetime
    party: int


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a store."""

    id: str
    store: str
    zone: str
    party_min: int
    party_max: int
    movable: bool
    # Where tables may be put together: those it stands beside.
    adjacent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """The reservations to play, the tables they can have, and when each store is open."""

    reservations: Sequence[Reservation]
    tables: Sequence[Table]
    # Per store and weekday (0 is Monday): the first and the last hour, which may pass 24.
    hours: dict[str, dict[int, tuple[int, int]]]
    # By how many whole weeks everything is moved ahead.
    weeks: int
    # Whether tables may be put together for a party that none takes alone.
    merges: bool = False

    @property
    def stores(self) -> list[str]:
        """The stores that occur."""
        return sorted({reservation.store for reservation in self.reservations})


def read_replay(
    path: Path, now: datetime, maximum: int = RESERVATIONS_MAX, *, merges: bool = False
) -> Replay:
    """Reads the first `maximum` rows in created order, and the tables from the file beside it.

    A store opens on a weekday from its first visit hour to two hours after its last, over the
    whole file.
    """
    rows = list(read_rows(path))
    rows.sort(key=lambda row: (row.created_at, row.id))
    chosen = rows[:maximum]
    stores = {row.store for row in chosen}
    tables = [table for table in read_tables(path.with_name(TABLES_FILE)) if table.store in stores]
    if merges:
        beside = read_adjacency(path.with_name(ADJACENCY_FILE))
        tables = [replace(table, adjacent=tuple(sorted(beside[table.id]))) for table in tables]
    return Replay(
        reservations=chosen,
        tables=tables,
        hours=opening_hours(row for row in rows if row.store in stores),
        weeks=weeks_ahead(min(row.visit_at for row in chosen), now),
        merges=merges,
    )


def read_rows(path: Path) -> Iterator[Reservation]:
    """Reads the reservations, compressed or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for row in csv.DictReader(file):
            yield Reservation(
                id=row["id"],
                store=row["store"],
                created_at=datetime.fromisoformat(row["created_at"]),
                visit_at=datetime.fromisoformat(row["visit_at"]),
                party=int(row["party"]),
            )


def read_tables(path: Path) -> Iterator[Table]:
    """Reads the tables."""
    with path.open() as file:
        for row in csv.DictReader(file):
            yield Table(
                id=row["table"],
                store=row["store"],
                zone=row["zone"],
                party_min=int(row["min_party"]),
                party_max=int(row["max_party"]),
                movable=row["movable"] == "True",
            )


def read_adjacency(path: Path) -> dict[str, set[str]]:
    """Reads which tables stand beside which."""
    beside: dict[str, set[str]] = defaultdict(set)
    with path.open() as file:
        for row in csv.DictReader(file):
            beside[row["table_a"]].add(row["table_b"])
            beside[row["table_b"]].add(row["table_a"])
    return beside


def opening_hours(rows: Iterable[Reservation]) -> dict[str, dict[int, tuple[int, int]]]:
    """Works out when each store is open from when people come."""
    hours: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        day, hour = row.visit_at.weekday(), row.visit_at.hour
        first, last = hours[row.store].get(day, (hour, hour + SITTING_HOURS))
        hours[row.store][day] = (min(first, hour), max(last, hour + SITTING_HOURS))
    return dict(hours)


def weeks_ahead(first_visit: datetime, now: datetime) -> int:
    """Returns the smallest number of whole weeks that puts the first visit into the future."""
    local = now.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    return max(0, -((first_visit - LEAD - local) // WEEK))


def play_of(replay: Replay, seed: int) -> Play:
    """Makes one job of each reservation; those created in one hour are one batch."""
    largest: dict[str, int] = defaultdict(int)
    for table in replay.tables:
        largest[table.store] = max(largest[table.store], table.party_max)
    batches = [
        [job_of(row, replay, seed, largest[row.store]) for row in rows]
        for _, rows in itertools.groupby(replay.reservations, key=lambda row: row.created_at)
    ]
    how = ", tables put together where none is large enough" if replay.merges else ""
    return Play(f"{len(replay.reservations):,} real reservations{how}", batches)


def job_of(row: Reservation, replay: Replay, seed: int, largest_table: int) -> Job:
    """Wants a table for a sitting that begins at the visit hour; some look at the choices first.

    Where tables are put together nobody forgets a hold, so that who is seated can be compared with
    a plain replay.
    """
    begin = minute_of(row.visit_at + replay.weeks * WEEK)
    habits = habits_of(seed, row.id)
    return Job(
        id=row.id,
        service_type_id=row.store,
        window=(begin, begin + SITTING_HOURS * MINUTES_PER_HOUR),
        party_size=row.party,
        begins_at=None if habits.looks else begin,
        hopeless_as=(
            "PARTY_TOO_LARGE" if row.party > largest_table and not replay.merges else "NO_CANDIDATE"
        ),
        looks_again=replay.merges,
        forgets=habits.forgets and not replay.merges,
        repeats=habits.repeats,
        repeats_at_once=habits.repeats_at_once,
        luck=habits.luck,
    )


def minute_of(local: datetime) -> int:
    """Tells a wall-clock time of ZONE as minutes since the epoch; Tokyo knows no summer time."""
    return int(local.replace(tzinfo=ZoneInfo(ZONE)).timestamp()) // 60
