"""The commands `up`, `down`, `reset` and `servers` of `python -m deploy.local`."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time

from deploy.local import background
from deploy.local.banner import banner
from deploy.local.errors import StackError
from deploy.local.oblivion import forget
from deploy.local.rundir import RunDir
from deploy.local.stack import STACK_FILE, running_servers, running_stack


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run the whole stack")
    up.add_argument("--world", default="training", help="example world to load")
    up.add_argument("--replicas", default="", help="such as availability=2,assignment=2")
    up.add_argument("--detach", action="store_true", help="return when it is ready")
    commands.add_parser("servers", help="run PostgreSQL, NATS and Valkey alone")
    commands.add_parser("down", help="stop the stack of this run directory")
    commands.add_parser("reset", help="stop it and forget its data")
    return parser.parse_args(arguments)


class Reporter:
    """Prints what happens, each line with the seconds since the start."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return time.monotonic() - self._begun

    def __call__(self, line: str) -> None:
        """Prints one line."""
        print(f"[{self.seconds:6.2f}s] {line}", flush=True)


async def run_up(world: str, replicas: str, report: Reporter) -> None:
    """Runs a stack until it is told to stop."""
    async with running_stack(world=world, replicas=replicas, report=report) as stack:
        print(banner(stack.described(), report.seconds), flush=True)
        await stack.failed()


async def run_servers(report: Reporter) -> None:
    """Runs the servers until it is told to stop."""
    async with running_servers(report=report) as (_, session):
        await session.failed()


def detach(run: RunDir, world: str, replicas: str) -> None:
    """Starts a stack that outlives this command, and returns when it is ready."""
    begun = time.monotonic()
    arguments = ["up", "--world", world, "--replicas", replicas]
    runner = background.spawn(run, arguments, bound=False)
    print(banner(background.wait_ready(run, runner, STACK_FILE), time.monotonic() - begun))


async def until_signal(work: "asyncio.Future[None]", report: Reporter) -> None:
    """Waits for the work; SIGINT, SIGTERM and a closed terminal end it cleanly."""
    stopped: list[float] = []

    def stop() -> None:
        if not stopped:
            stopped.append(report.seconds)
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    if stopped:
        report(f"stopped within {report.seconds - stopped[0]:.2f} s")


async def in_foreground(options: argparse.Namespace) -> None:
    """Runs what the command names until a signal comes."""
    report = Reporter()
    if options.command == "up":
        work = run_up(options.world, options.replicas, report)
    else:
        work = run_servers(report)
    await until_signal(asyncio.ensure_future(work), report)


def main(arguments: list[str]) -> int:
    """Runs one command; returns the exit code."""
    options = parsed(arguments)
    run = RunDir.of(os.environ)
    try:
        if options.command == "up" and options.detach:
            detach(run, options.world, options.replicas)
        elif options.command in ("up", "servers"):
            asyncio.run(in_foreground(options))
        else:
            was_running = background.stop(run)
            print("stopped" if was_running else f"no stack runs in {run.path}")
            if options.command == "reset":
                forget(run)
                print(f"forgot everything in {run.path}")
    except (StackError, PermissionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
