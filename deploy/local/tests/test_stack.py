"""The whole stack: described when ready, stopped within a second, recovered after a kill."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local import running_stack
from deploy.local.background import background, spawn, stop, wait_ready
from deploy.local.ports import Ports
from deploy.local.recovery import birth
from deploy.local.rundir import ROOT, RunDir
from deploy.local.stack import STACK_FILE

UP = ["up", "--world", "none"]
ORPHANS_TIMEOUT_SECONDS = 10.0
STOP_SECONDS = 2.0


def fresh_run() -> Iterator[RunDir]:
    """Yields a run directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fairslot-stack-") as name:
        Path(name).chmod(0o711)
        run = RunDir.at(Path(name))
        yield run
        run.forget_moved_data()


@pytest.fixture(scope="module")
def run() -> Iterator[RunDir]:
    """One run directory for the stacks of this file, so that all but the first start warm."""
    yield from fresh_run()


@pytest.fixture
def neighbour(run: RunDir) -> Iterator[RunDir]:
    """The run directory of a second stack, with ports of its own also while the first one rests."""
    with ExitStack() as tried:
        while True:
            found = tried.enter_context(contextmanager(fresh_run)())
            if Ports.of(found, {})["gateway"] != Ports.of(run, {})["gateway"]:
                yield found
                return


def wait_gone(pids: dict[str, int]) -> None:
    """Returns when no process is left; fails when they stay."""
    deadline = time.monotonic() + ORPHANS_TIMEOUT_SECONDS
    while left := {name for name, pid in pids.items() if birth(pid)}:
        assert time.monotonic() < deadline, f"orphans: {left}"
        time.sleep(0.01)


def answer(described: dict[str, Any], token: str) -> int:
    """Calls the public API; returns the HTTP status."""
    request = urllib.request.Request(f"{described['gateway']}/v1/resources")
    request.add_header("authorization", f"Bearer {described['tokens'][token]}")
    with urllib.request.urlopen(request, timeout=10) as reply:
        return int(reply.status)


def test_a_killed_stack_leaves_no_orphans_and_starts_again(
    run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    runner = spawn(run, UP, bound=True)
    first = wait_ready(run, runner, STACK_FILE)
    cold_seconds = time.monotonic() - begun
    expected = {f"{name}-0" for name in ("availability", "matching", "assignment", "notify")}
    assert expected | {"gateway-0", "envoy"} <= set(first["pids"])
    assert set(first["grpc"]) == {"availability", "matching", "assignment", "notify", "gateway"}
    assert (run.path / STACK_FILE).stat().st_mode & 0o077 == 0
    runner.kill()
    runner.wait()
    wait_gone(first["pids"])

    begun = time.monotonic()
    with background(run, UP, STACK_FILE) as second:
        warm_seconds = time.monotonic() - begun
        assert answer(second, "planner") == 200
        begun = time.monotonic()
        assert stop(run)
        stop_seconds = time.monotonic() - begun
    wait_gone(second["pids"])
    assert not (run.path / STACK_FILE).exists()
    with capsys.disabled():
        print(f" cold {cold_seconds:.1f} s, warm {warm_seconds:.1f} s, stop {stop_seconds:.2f} s ")
    assert stop_seconds < STOP_SECONDS


def test_it_runs_in_the_background_until_it_is_told(run: RunDir) -> None:
    def command(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments],
            env={**os.environ, "FAIRSLOT_RUN_DIR": str(run.path)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    told = command(*UP, "--detach")
    described = json.loads((run.path / STACK_FILE).read_text())
    try:
        for part in (described["gateway"], described["tokens"]["admin"], "curl", str(run.log)):
            assert part in told
    finally:
        assert "stopped" in command("down")
    wait_gone(described["pids"])
    assert "no stack" in command("down")


async def test_several_replicas_beside_another_stack(run: RunDir, neighbour: RunDir) -> None:
    beside = running_stack(neighbour.path, env={"FAIRSLOT_NOTIFY_LOG_LEVEL": "WARNING"})
    twice = running_stack(run.path, replicas="assignment=2")
    async with beside as one, twice as two:
        assert set(two.pids()) - set(one.pids()) == {"assignment-1"}
        assert one.gateway != two.gateway
        for stack in (one, two):
            assert await asyncio.to_thread(answer, stack.described(), "viewer") == 200
    wait_gone({**one.pids(), **two.pids()})
