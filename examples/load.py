"""Loads a world through the public API; loading it twice changes nothing."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fairslot.availability.v1 import catalog_pb2, schedule_pb2

from client import Client, Refusal, methods, open_client
from examples.world import NAMES, Step, World, read

TOGETHER_MAX = 16
PAGES_MAX = 100
PAGE_SIZE = 1000

Report = Callable[[str], None]


async def load(client: Client, world: World, report: Report, *, settings: bool = True) -> int:
    """Creates what is not there yet and leaves alone what is; returns how many things are new.

    The client needs the role admin. `settings` says whether the tenant's own are set, too.
    """
    if settings:
        await set_tenant(client, world)
    new = 0
    new += await create(client, world.service_types, "kinds of work", report)
    new += await create(client, world.resources, "resources", report)
    new += await create(client, await unset(client, world.schedules), "weekly schedules", report)
    new += await create(client, world.exceptions, "offers, closed days and leave", report)
    new += await create(client, world.requests, "open requests", report)
    return new


async def set_tenant(client: Client, world: World) -> None:
    """Gives the tenant its name and zone, unless somebody has named it already."""
    reply = await client.call(methods.GET_TENANT, catalog_pb2.GetTenantRequest())
    if not reply.tenant.display_name:
        request = catalog_pb2.UpdateTenantRequest(
            tenant=world.tenant, request_id=world.key("tenant")
        )
        request.tenant.id = reply.tenant.id
        await client.call(methods.UPDATE_TENANT, request)


async def unset(client: Client, steps: Sequence[Step]) -> list[Step]:
    """Leaves out the schedules that are set, so that no planner's edit is lost."""

    async def rules(step: Step) -> int:
        question = schedule_pb2.GetScheduleRequest(resource_id=step.of)
        return len((await client.call(methods.GET_SCHEDULE, question)).rules)

    counts = await together(rules(step) for step in steps)
    return [step for step, count in zip(steps, counts, strict=True) if not count]


async def create(client: Client, steps: Sequence[Step], what: str, report: Report) -> int:
    """Makes steps together and returns how many of them were news."""

    async def one(step: Step) -> int:
        try:
            await client.call(step.method, step.request)
        except Refusal as refusal:
            if refusal.reason != "ALREADY_EXISTS":
                raise
            return 0
        return 1

    begun = time.monotonic()
    new = sum(await together(one(step) for step in steps))
    if steps:
        report(f"{len(steps)} {what} in {time.monotonic() - begun:.2f} s")
    return new


async def together(calls: Iterable[Coroutine[Any, Any, int]]) -> list[int]:
    """Runs calls side by side, TOGETHER_MAX at a time."""
    places = asyncio.Semaphore(TOGETHER_MAX)

    async def placed(call: Coroutine[Any, Any, int]) -> int:
        async with places:
            return await call

    return list(await asyncio.gather(*(placed(call) for call in calls)))


def stack_file() -> Path:
    """Where `make up` describes the running stack."""
    return Path(os.environ.get("FAIRSLOT_RUN_DIR", ".run")) / "stack.json"


async def load_into(stack: dict[str, Any], world: World, report: Report) -> None:
    """Loads a world into a running stack, as its stack.json describes it."""
    async with open_client(stack["gateway"], stack["tokens"]["admin"]) as client:
        await load(client, world, report)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.load", description=__doc__)
    parser.add_argument("world", choices=NAMES)
    parser.add_argument("--stack", type=Path, default=stack_file(), help="the stack.json")
    options = parser.parse_args()
    begun = time.monotonic()
    try:
        stack = json.loads(options.stack.read_text(encoding="utf-8"))
        world = read(options.world, datetime.now(UTC))
        asyncio.run(load_into(stack, world, lambda line: print(f"  {line}")))
    except (OSError, Refusal) as error:
        sys.exit(f"{options.world} could not be loaded: {error}")
    print(f"{options.world} loaded in {time.monotonic() - begun:.2f} s", flush=True)


if __name__ == "__main__":
    main()
