"""The deterministic slot workload on which several implementations agreed, and its answers."""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

SEED = 20270301
WINDOW_START = datetime(2027, 3, 1, tzinfo=UTC)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Europe/London",
    "America/Los_Angeles",
)
# Local working hours from Monday to Friday, in minutes of the day.
WORKING_RANGES = ((540, 720), (780, 1020))
DURATION_MINUTES = 60
BUFFER_MINUTES = 15

_DAY_MINUTES = 1440
# Busy times inside working days start between 08:30 and 17:30 local.
_BUSY_FROM_MINUTE, _BUSY_RANGE_MINUTES = 510, 540
_STEP_MINUTES = 5
_BUSY_LENGTHS = np.array([15, 30, 30, 45, 60, 60, 90, 120])
_SHARE_IN_WORKING_DAYS = 0.75
_SHARE_COVERED = 0.30
_WORKING_MINUTES_PER_DAY = 480

Busy = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cell:
    """One size of the workload, with the hash of its answer."""

    resources: int
    busy_each: int
    days: int
    granularity: int
    answer_hash: str

    @property
    def name(self) -> str:
        """The name used in the tables."""
        return f"n{self.resources}_b{self.busy_each}_d{self.days}_g{self.granularity}"

    @property
    def window(self) -> tuple[int, int]:
        """The window in minutes since the epoch."""
        start = int(WINDOW_START.timestamp()) // 60
        return start, start + self.days * _DAY_MINUTES


@dataclass(frozen=True)
class Worker:
    """One resource: its zone, and its busy times as int64[n, 2] minutes, unsorted."""

    id: str
    time_zone: str
    busy: Busy


CELLS = (
    Cell(10, 10, 1, 15, "4339ff8374602fcc"),
    Cell(10, 100, 30, 15, "c4330c8182bfe5f5"),
    Cell(100, 10, 7, 15, "9c2c747dec9cc024"),
    Cell(100, 100, 30, 15, "479e5f6296405450"),
    Cell(1000, 100, 30, 15, "93408fd06dae0411"),
)


def workers(cell: Cell) -> Iterator[Worker]:
    """Makes the resources of a cell; the same cell gives the same ones anywhere."""
    family = f"{cell.resources}/{cell.busy_each}/{cell.days}".encode()
    random = np.random.Generator(np.random.PCG64(SEED + zlib.crc32(family)))
    openings = {name: _openings(name, cell.days) for name in ZONES}
    scale = _length_scale(cell)
    for number in range(cell.resources):
        name = ZONES[number % len(ZONES)]
        # The order of the draws is part of the workload.
        lengths = random.choice(_BUSY_LENGTHS, cell.busy_each) * scale / _STEP_MINUTES
        rounded = np.maximum(_STEP_MINUTES, lengths.round() * _STEP_MINUTES).astype(np.int64)
        at_work = random.random(cell.busy_each) < _SHARE_IN_WORKING_DAYS
        in_day = random.choice(openings[name], cell.busy_each) + _steps(
            random, _BUSY_RANGE_MINUTES, cell.busy_each
        )
        anywhere = cell.window[0] + _steps(random, cell.days * _DAY_MINUTES, cell.busy_each)
        starts = np.where(at_work, in_day, anywhere)
        yield Worker(
            id=f"{number:08x}-0000-7000-8000-{number:012x}",
            time_zone=name,
            busy=np.stack((starts, starts + rounded), axis=1),
        )


def answer_hash(starts: npt.NDArray[np.integer], capacities: Busy, candidates: Busy) -> str:
    """Hashes a whole answer: a line per start, ascending, with its candidates' numbers."""
    digest, position = hashlib.sha256(), 0
    for start, capacity in zip(starts.tolist(), capacities.tolist(), strict=True):
        names = ",".join(map(str, sorted(candidates[position : position + capacity].tolist())))
        digest.update(f"{start}:{capacity}:{names}\n".encode())
        position += capacity
    return digest.hexdigest()[:16]


def _openings(name: str, days: int) -> Busy:
    """Gives 08:30 local of each working day that touches the window, in minutes since the epoch."""
    found = []
    for offset in range(-1, days + 1):
        day = (WINDOW_START + timedelta(days=offset)).date()
        if day.weekday() < 5:
            hour, minute = divmod(_BUSY_FROM_MINUTE, 60)
            local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(name))
            found.append(int(local.timestamp()) // 60)
    return np.array(found)


def _length_scale(cell: Cell) -> float:
    """Gives the factor by which busy lengths shrink so that they cover the share wanted."""
    working_days = max(1, round(cell.days * 5 / 7))
    wanted = _SHARE_COVERED * working_days * _WORKING_MINUTES_PER_DAY
    return min(1.0, wanted / (cell.busy_each * float(_BUSY_LENGTHS.mean())))


def _steps(random: np.random.Generator, range_minutes: int, count: int) -> Busy:
    drawn: Busy = random.integers(0, range_minutes // _STEP_MINUTES, count) * _STEP_MINUTES
    return drawn
