"""Starts programs, waits until they are ready, starts dead or stuck ones again, and stops them
together.
"""

import asyncio
import collections
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.rundir import ROOT, RunDir

READY_PAUSE_SECONDS = 0.02
READY_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0
RESTARTS_MAX = 8
RESTARTS_WINDOW_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 0.2
# What a disk must have free before a program that writes to it is started again, and how often
# that is looked at.
ROOM_BYTES_LEAST = 32 * 1024 * 1024
ROOM_POLL_SECONDS = 0.5
STUCK_POLL_SECONDS = 2.0
# A program that was just started is left alone for so long: being stuck alone never makes as many
# deaths as end the stack.
STUCK_AFTER_SECONDS = 10.0
LOG_TAIL_LINES = 15

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program of the stack: what to run and how to tell that it is ready."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    # How often to try to start it, when what a killed one left behind may be in the way at first.
    attempts_max: int = 1
    # User and group number to run as; None keeps the runner's.
    user: tuple[int, int] | None = None
    # Where it writes; while that disk is full it is not started again.
    store: Path | None = None
    # Tells that it runs on and will do no more work until it is started again.
    stuck: Callable[[], Awaitable[bool]] | None = None

    @property
    def has_room(self) -> bool:
        """Whether there is space left where it writes."""
        return self.store is None or shutil.disk_usage(self.store).free >= ROOM_BYTES_LEAST


def launched(command: tuple[str, ...], stop_signal: int, user: tuple[int, int] | None) -> list[str]:
    """Returns the command that runs `command` so that it dies with this process."""
    uid, gid = user or (-1, -1)
    launcher = str(Path(__file__).with_name("launch.py"))
    plain_python = [sys.executable, "-I", "-S", launcher]
    return [*plain_python, str(os.getpid()), str(int(stop_signal)), str(uid), str(gid), *command]


async def run_once(
    command: tuple[str, ...], *, env: Mapping[str, str], user: tuple[int, int] | None
) -> str:
    """Runs a program to its end and returns what it said; raises StackError when it failed."""
    process = await asyncio.create_subprocess_exec(
        *launched(command, signal.SIGKILL, user),
        env=dict(env),
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace")
    if process.returncode:
        raise StackError(f"{Path(command[0]).name} failed:\n{text}")
    return text


class Keeper:
    """Keeps one program running from start to stop."""

    def __init__(
        self, program: Program, *, run: RunDir, changed: Callable[[], None], report: Report
    ) -> None:
        self.program = program
        self._run = run
        self._changed = changed
        self._report = report
        self._process: asyncio.subprocess.Process | None = None
        self._started: collections.deque[float] = collections.deque(maxlen=RESTARTS_MAX)
        self._stopping = False

    @property
    def pid(self) -> int:
        """The process id of the program's present life; 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def has_ended(self) -> bool:
        """Whether the program was started and does not run any more."""
        return self._process is not None and self._process.returncode is not None

    @property
    def log_file(self) -> Path:
        """Where everything the program prints goes."""
        return self._run.log / f"{self.program.name}.log"

    async def start(self) -> None:
        """Starts the program and returns when it is ready.

        Raises:
            StackError: it ended or took too long; carries the end of its log.
        """
        self._started.append(time.monotonic())
        # A directory that every user may be in; Python programs find the repo by PYTHONPATH.
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *launched(self.program.command, self.program.stop_signal, self.program.user),
                env=dict(self.program.env),
                cwd="/" if self.program.user else ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        self._changed()
        ended = asyncio.create_task(self._process.wait())
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                while not await self.program.ready():
                    if ended.done():
                        raise StackError(self._explain(f"ended with {self._process.returncode}"))
                    await asyncio.sleep(READY_PAUSE_SECONDS)
        except TimeoutError:
            raise StackError(
                self._explain(f"was not ready within {READY_TIMEOUT_SECONDS:.0f} s")
            ) from None
        finally:
            ended.cancel()

    def _explain(self, what: str) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        tail = "\n".join(f"  | {line}" for line in lines)
        return f"{self.program.name} {what}; the end of {self.log_file}:\n{tail}"

    async def keep(self) -> None:
        """Starts the program again whenever it dies.

        Raises:
            StackError: it died too often in too short a time.
        """
        while True:
            code = await self._ended()
            if self._stopping:
                return
            age_seconds = time.monotonic() - self._started[0]
            if len(self._started) == RESTARTS_MAX and age_seconds < RESTARTS_WINDOW_SECONDS:
                raise StackError(self._explain(f"died {RESTARTS_MAX} times in {age_seconds:.0f} s"))
            self._report(f"{self.program.name} ended ({code}); starting it again")
            await asyncio.sleep(RESTART_PAUSE_SECONDS * (len(self._started) - 1))
            await self._room()
            # One that cannot start yet, such as PostgreSQL while its last children still end,
            # is one more death.
            with contextlib.suppress(StackError):
                await self.start()
                self._report(f"{self.program.name} is ready again")

    async def _ended(self) -> int:
        """Waits for the end of the program, and brings it about once the program is stuck."""
        assert self._process is not None
        watch = asyncio.create_task(self._end_when_stuck())
        try:
            return await self._process.wait()
        finally:
            watch.cancel()

    async def _end_when_stuck(self) -> None:
        while self.program.stuck is not None:
            await asyncio.sleep(STUCK_POLL_SECONDS)
            old = time.monotonic() - self._started[-1] >= STUCK_AFTER_SECONDS
            # Without space it would be stuck again; until then it may still be read.
            if old and await self.program.stuck() and self.program.has_room:
                self._report(f"{self.program.name} does no more until it is started again")
                await self._end()
                return

    async def _room(self) -> None:
        """Waits for space where the program writes: each start without any would be one death."""
        told = False
        while not self.program.has_room:
            if not told:
                self._report(f"{self.program.name} waits for space in {self.program.store}")
                told = True
            await asyncio.sleep(ROOM_POLL_SECONDS)

    async def stop(self) -> None:
        """Asks the program to stop and returns when it has; it is not started again."""
        self._stopping = True
        await self._end()

    async def _end(self) -> None:
        """Asks the program to end and returns when it has; insists after a while."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.program.stop_signal)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await process.wait()
        except TimeoutError:
            self._report(f"{self.program.name} did not stop by itself; killing it")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


class Group:
    """Programs that stop together. Enter it, start programs in it, leave it."""

    def __init__(self, *, run: RunDir, changed: Callable[[], None], report: Report) -> None:
        self._run = run
        self._changed = changed
        self._report = report
        self._keepers: list[Keeper] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *programs: Program) -> None:
        """Starts programs at the same time and returns when all are ready."""
        keepers = [
            Keeper(program, run=self._run, changed=self._changed, report=self._report)
            for program in programs
        ]
        self._keepers += keepers
        await asyncio.gather(*(self._start_one(keeper) for keeper in keepers))

    async def _start_one(self, keeper: Keeper) -> None:
        begun = time.monotonic()
        for attempt in range(keeper.program.attempts_max, 0, -1):
            try:
                await keeper.start()
                break
            except StackError:
                if attempt == 1 or not keeper.has_ended:
                    raise
                await asyncio.sleep(RESTART_PAUSE_SECONDS)
        self._report(f"{keeper.program.name} ready after {time.monotonic() - begun:.2f} s")
        self._tasks.append(asyncio.create_task(keeper.keep()))

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every program by its name."""
        return {keeper.program.name: keeper.pid for keeper in self._keepers if keeper.pid}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """They end only when the group stops, or with the error that ends the stack."""
        return self._tasks

    async def __aenter__(self) -> "Group":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
