"""Remembers the processes of a stack, and ends those a killed runner left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.rundir import RunDir

PIDS_FILE = "pids.json"
# PostgreSQL waits for its clients when told by SIGTERM.
STOP_SIGNALS = {"postgres": signal.SIGINT}
# How long they may take to stop by themselves.
LEFTOVERS_TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.02


def birth(pid: int) -> str | None:
    """Returns when a process started, which with its number tells it from all others."""
    if sys.platform == "linux":
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # Everything up to the last bracket is the name, which may hold spaces.
        state, *fields = status.rpartition(")")[2].split()
        return None if state == "Z" else fields[18]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def remember(run: RunDir, pids: Mapping[str, int]) -> None:
    """Writes down which processes belong to the stack."""
    run.write_json(PIDS_FILE, {name: [pid, birth(pid)] for name, pid in pids.items()})


def leftovers(run: RunDir) -> dict[str, int]:
    """Returns the remembered processes that still run."""
    known = run.read_json(PIDS_FILE)
    return {name: pid for name, (pid, born) in known.items() if born and birth(pid) == born}


def forget(run: RunDir) -> None:
    """Removes what describes a running stack."""
    for name in (PIDS_FILE, run.stack_file.name, "servers.json"):
        (run.path / name).unlink(missing_ok=True)


async def recover(run: RunDir) -> None:
    """Returns when no process of an earlier stack of this directory is left."""
    for name, pid in leftovers(run).items():
        # On Linux the kernel has told them already; once more does no harm.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, STOP_SIGNALS.get(name, signal.SIGTERM))
    deadline = time.monotonic() + LEFTOVERS_TIMEOUT_SECONDS
    while left := leftovers(run):
        if time.monotonic() > deadline:
            for pid in left.values():
                # They lead groups of their own, so their children go with them.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            deadline = time.monotonic() + LEFTOVERS_TIMEOUT_SECONDS
        await asyncio.sleep(PAUSE_SECONDS)
    forget(run)
