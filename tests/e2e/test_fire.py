"""The demo while its database is killed whole every few seconds, and its processes in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from services.assignment.tests.mortal import Mortal, mortal_postgres
from tests.e2e.test_demo import REAL, ROOT, ZERO

EVERY_SECONDS = 5.0
# The runner starts a program again up to eight times a minute; the edge is not among them here.
VICTIMS = (
    "assignment-0",
    "availability-0",
    "matching-0",
    "notify-0",
    "gateway-0",
    "nats",
    "valkey",
)


async def fire(server: Mortal, home: Path, rng: random.Random, kills: dict[str, int]) -> None:
    """Kills the database every five seconds, and a process halfway between; counts the kills."""
    while True:
        await asyncio.sleep(EVERY_SECONDS / 2)
        pids = json.loads((home / "demo" / "stack.json").read_text())["pids"]
        victim = rng.choice([name for name in VICTIMS if name in pids])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[victim], signal.SIGKILL)
            kills[victim] = kills.get(victim, 0) + 1
        await asyncio.sleep(EVERY_SECONDS / 2)
        await server.kill()
        await server.start()
        kills["postgres"] = server.kills


async def played(
    demo: asyncio.subprocess.Process, server: Mortal, home: Path
) -> tuple[list[str], dict[str, int]]:
    """Reads what the demo says; everything burns from its first booking to its last."""
    assert demo.stdout is not None
    output: list[str] = []
    kills: dict[str, int] = {}
    burning: asyncio.Task[None] | None = None
    async for line in demo.stdout:
        output.append(line.decode())
        print(output[-1], end="", flush=True)
        if "planners watch" in output[-1]:
            burning = asyncio.create_task(fire(server, home, random.Random(1), kills))
        elif "everything is played" in output[-1] and burning is not None:
            burning.cancel()
            await asyncio.gather(burning, return_exceptions=True)
            if server.process is None or server.process.returncode is not None:
                await server.start()
    return output, kills


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("reservations", [600, 20_000])
@pytest.mark.skipif(not REAL.exists(), reason="the real reservations are not here")
async def test_real_reservations_while_everything_is_killed(
    open_directory: Path, reservations: int
) -> None:
    os.chmod(open_directory, 0o711)
    home = open_directory / "run"
    async with mortal_postgres(open_directory / "mortal") as server:
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.demo", "--data", str(REAL), "--max", str(reservations)),
            cwd=ROOT,
            env={
                **os.environ,
                "FAIRSLOT_RUN_DIR": str(home),
                "FAIRSLOT_DATABASE_URL": server.url,
                "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, kills = await played(demo, server, home)
    print(f"killed: {kills}, database ready after {max(server.ready_seconds):.1f} s")
    assert await demo.wait() == 0, "".join(output[-40:])
    summary = json.loads((home / "demo.json").read_text())
    for name in ZERO:
        assert summary[name] == 0
    # Every caller came to an end: booked, meant to forget, or was told why not.
    ends = (summary["confirmed"], summary["left_to_expire"], sum(summary["refused"].values()))
    assert sum(ends) == reservations
    # Some were given up by callers whose patience ended before they had asked.
    assert summary["requests"] > 0.8 * reservations
