"""Runs a stack in a process of its own: for `make up DETACH=1`, `make down` and the tests."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deploy.local import recovery
from deploy.local.errors import StackError
from deploy.local.process import launched
from deploy.local.rundir import ROOT, RunDir

READY_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 20.0
PAUSE_SECONDS = 0.02


def spawn(
    run: RunDir, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, bound: bool
) -> "subprocess.Popen[bytes]":
    """Starts `python -m deploy.local` with the arguments; `bound` means it dies with us."""
    run.prepare()
    command = (sys.executable, "-m", "deploy.local", *arguments)
    environment = {**os.environ, **(env or {}), "FAIRSLOT_RUN_DIR": str(run.path)}
    environment["PYTHONPATH"] = str(ROOT)
    with (run.log / "runner.log").open("wb") as log:
        return subprocess.Popen(
            launched(command, signal.SIGTERM, None) if bound else command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_ready(run: RunDir, runner: "subprocess.Popen[bytes]", file_name: str) -> dict[str, Any]:
    """Returns what the runner wrote when it was ready.

    Raises:
        StackError: it ended before, or took too long.
    """
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        ended = runner.poll() is not None
        # The file of an earlier stack may lie there until the runner has looked around.
        content = run.read_json(file_name)
        if content.get("runner") == runner.pid:
            return content
        if ended:
            raise StackError((run.log / "runner.log").read_text(errors="replace").strip())
        time.sleep(PAUSE_SECONDS)
    stop(run)
    raise StackError(f"the stack was not ready within {READY_TIMEOUT_SECONDS:.0f} s; see {run.log}")


def stop(run: RunDir) -> bool:
    """Stops the stack of a directory, whoever runs it; tells whether there was one."""
    pid = run.runner_pid()
    while pid == 0:
        # It has just started and not yet written its number.
        time.sleep(PAUSE_SECONDS)
        pid = run.runner_pid()
    if pid is None:
        left = recovery.leftovers(run)
        for leftover in left.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leftover, signal.SIGKILL)
        recovery.forget(run)
        return bool(left)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while run.runner_pid() == pid:
        if time.monotonic() > deadline:
            # Its programs die with it.
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        time.sleep(PAUSE_SECONDS)
    return True


@contextlib.contextmanager
def background(
    run: RunDir, arguments: Sequence[str], file_name: str, *, env: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Runs a stack for the length of a `with` block; yields what it wrote when it was ready."""
    runner = spawn(run, arguments, env=env, bound=True)
    try:
        yield wait_ready(run, runner, file_name)
    finally:
        if runner.poll() is None:
            runner.terminate()
        runner.wait(STOP_TIMEOUT_SECONDS)
