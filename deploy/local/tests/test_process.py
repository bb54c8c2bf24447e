"""Programs are waited for, started again when they die, and always end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local import process
from deploy.local.errors import StackError
from deploy.local.process import Group, Program
from deploy.local.recovery import birth
from deploy.local.rundir import RunDir

LOOKS_MAX = 1000
PAUSE_SECONDS = 0.01
RESTART_TIMEOUT_SECONDS = LOOKS_MAX * PAUSE_SECONDS


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A fresh run directory."""
    run = RunDir(tmp_path / "run")
    run.prepare()
    return run


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that happens elsewhere."""
    for _ in range(LOOKS_MAX):
        if condition():
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError("it did not happen in time")


def group(run: RunDir) -> Group:
    """Returns a group nobody listens to."""
    return Group(run=run, changed=lambda: None, report=lambda _: None)


def program(code: str, *, touched: Path) -> Program:
    """Returns a Python program that is ready once it has made a file."""

    async def ready() -> bool:
        return await asyncio.to_thread(touched.exists)

    return Program(name="sample", command=(sys.executable, "-c", code), ready=ready)


def sleeper(run: RunDir, before: str = "pass") -> Program:
    """Returns a program that runs until it is stopped."""
    ready = run.path / "ready"
    code = f"import pathlib, signal, time; {before}; pathlib.Path({str(ready)!r}).touch()"
    return program(f"{code}; time.sleep(600)", touched=ready)


async def test_stopping_leaves_nothing(run: RunDir) -> None:
    async with group(run) as programs:
        await programs.start(sleeper(run))
        pid = programs.pids["sample"]
        assert birth(pid)
    assert birth(pid) is None


async def test_a_program_that_will_not_stop_is_killed(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_TIMEOUT_SECONDS", 0.1)
    async with group(run) as programs:
        await programs.start(sleeper(run, "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
        pid = programs.pids["sample"]
    assert birth(pid) is None


async def test_a_program_that_dies_is_started_again(run: RunDir) -> None:
    async with group(run) as programs:
        await programs.start(sleeper(run))
        first = programs.pids["sample"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: programs.pids["sample"] != first)
        assert birth(programs.pids["sample"])


async def test_a_program_that_keeps_dying_ends_the_stack(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RESTART_PAUSE_SECONDS", 0.0)
    marker = run.path / "ready"
    dying = program(f"open({str(marker)!r}, 'w'); print('I give up')", touched=marker)
    async with group(run) as programs:
        await programs.start(dying)
        async with asyncio.timeout(RESTART_TIMEOUT_SECONDS):
            with pytest.raises(StackError, match="I give up"):
                await programs.tasks[0]


async def test_a_program_that_cannot_start_shows_the_end_of_its_log(run: RunDir) -> None:
    broken = program("raise SystemExit('no such table')", touched=run.path / "never")
    async with group(run) as programs:
        with pytest.raises(StackError, match="no such table"):
            await programs.start(broken)


async def test_a_program_dies_with_its_runner(run: RunDir) -> None:
    pid_file = run.path / "pid"
    child = (
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    # A runner that starts one program the way a stack does, and ends without stopping it.
    runner = (
        "import subprocess, sys, time, os, signal\n"
        "from deploy.local.process import launched\n"
        f"subprocess.Popen(launched((sys.executable, '-c', {child!r}), signal.SIGTERM, None))\n"
        f"while not os.path.exists({str(pid_file)!r}): time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", runner)
    await ended.wait()
    pid = int(pid_file.read_text())
    await until(lambda: birth(pid) is None)


async def test_a_program_that_is_stuck_is_started_again(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STUCK_POLL_SECONDS", 0.02)
    monkeypatch.setattr(process, "STUCK_AFTER_SECONDS", 0.1)
    stuck = run.path / "stuck"

    async def is_stuck() -> bool:
        return await asyncio.to_thread(stuck.exists)

    async with group(run) as programs:
        await programs.start(replace(sleeper(run), stuck=is_stuck))
        first = programs.pids["sample"]
        await asyncio.sleep(0.3)
        assert programs.pids["sample"] == first
        stuck.touch()
        await until(lambda: birth(first) is None)
        stuck.unlink()
        await until(lambda: programs.pids["sample"] != first)
        assert birth(programs.pids["sample"])


async def test_without_space_a_program_is_not_started_again(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start would be a death, and so many of them the end of the stack."""
    monkeypatch.setattr(process, "ROOM_POLL_SECONDS", 0.02)
    monkeypatch.setattr(process, "ROOM_BYTES_LEAST", 2**62)
    reports: list[str] = []
    async with Group(run=run, changed=lambda: None, report=reports.append) as programs:
        await programs.start(replace(sleeper(run), store=run.path))
        first = programs.pids["sample"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: any("waits for space" in one for one in reports))
        await asyncio.sleep(0.2)
        assert programs.pids["sample"] == first
        monkeypatch.setattr(process, "ROOM_BYTES_LEAST", 0)
        await until(lambda: programs.pids["sample"] != first)
        assert birth(programs.pids["sample"])
