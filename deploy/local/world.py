"""Loads an example world into a running stack, once per run directory."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.process import Report
from deploy.local.rundir import ROOT, RunDir
from deploy.local.services import python_path

WORLDS = ("training", "fieldservice", "restaurant", "clinic")
LOADED_FILE = "worlds.json"
LOAD_TIMEOUT_SECONDS = 120.0


def check_world(world: str) -> None:
    """Raises StackError when there is no such world."""
    if world not in (*WORLDS, "none"):
        raise StackError(f"WORLD={world}: there are {', '.join(WORLDS)} and none")


async def load_world(
    world: str, *, run: RunDir, stack_file: Path, env: Mapping[str, str], report: Report
) -> None:
    """Runs the loader of a world through the public API unless it has been loaded before.

    Raises:
        StackError: the loader failed; carries what it said.
    """
    check_world(world)
    loaded = run.read_json(LOADED_FILE)
    if world == "none" or world in loaded:
        return
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.load", world, "--stack", str(stack_file)),
        env={**env, "PYTHONPATH": python_path()},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LOAD_TIMEOUT_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise StackError(f"world {world} took over {LOAD_TIMEOUT_SECONDS:.0f} s to load") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StackError(f"world {world} could not be loaded:\n{output.decode(errors='replace')}")
    run.write_json(LOADED_FILE, {**loaded, world: True})
    report(f"world {world} loaded after {time.monotonic() - begun:.2f} s")
