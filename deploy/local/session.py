"""One run directory in use: held against others, cleared of leftovers, its processes recorded."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import recovery
from deploy.local.ports import Ports
from deploy.local.process import Group, Report
from deploy.local.rundir import RunDir


def say_nothing(_: str) -> None:
    """Reports to nobody."""


@dataclass
class Session:
    """What the parts of a stack share while it runs."""

    run: RunDir
    env: Mapping[str, str]
    ports: Ports
    report: Report
    groups: list[Group] = field(default_factory=list)
    # Called whenever a process got a new number, after the number was written down.
    changed: Callable[[], None] = lambda: None

    def group(self) -> Group:
        """Returns a new group of programs, to be entered."""
        group = Group(run=self.run, changed=self._note, report=self.report)
        self.groups.append(group)
        return group

    def pids(self) -> dict[str, int]:
        """Returns the process number of every program by its name."""
        return {name: pid for group in self.groups for name, pid in group.pids.items()}

    def _note(self) -> None:
        recovery.remember(self.run, self.pids())
        self.changed()

    async def failed(self) -> None:
        """Waits for as long as the stack runs.

        Raises:
            StackError: a program died again and again.
        """
        tasks = [task for group in self.groups for task in group.tasks]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


@contextlib.asynccontextmanager
async def open_session(
    run_dir: Path | None, env: Mapping[str, str] | None, report: Report
) -> AsyncIterator[Session]:
    """Holds a run directory for one stack; `env` goes over the environment of this process."""
    environment = {**os.environ, **(env or {})}
    run = RunDir.at(run_dir) if run_dir else RunDir.of(environment)
    run.prepare()
    with run.locked():
        await recovery.recover(run)
        keep_last_logs(run)
        try:
            yield Session(run, environment, Ports.of(run, environment), report)
        finally:
            recovery.forget(run)


def keep_last_logs(run: RunDir) -> None:
    """Moves the logs of the last run aside; those before it go."""
    for log in run.log.glob("*.log"):
        # The runner's own log is open already when it runs in the background.
        if log.name != "runner.log":
            log.replace(log.with_suffix(".log.last"))
