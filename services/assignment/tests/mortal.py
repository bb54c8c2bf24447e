"""Servers of one's own, to be killed whole, stopped for a while, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.local.database import create_database, set_up
from deploy.local.ports import Ports
from deploy.local.postgres import postgres_program
from deploy.local.process import Group, Program, Report, launched
from deploy.local.rundir import RunDir
from deploy.local.servers import nats_program

STARTS_MAX = 40
PAUSE_SECONDS = 0.05


@dataclass
class Mortal:
    """One server; `kill` is the end of every process of it, at once."""

    program: Program
    url: str
    process: asyncio.subprocess.Process | None = None
    kills: int = 0
    ready_seconds: list[float] = field(default_factory=list)

    async def start(self) -> None:
        """Starts it, again if what a killed one left is still in the way, until it answers."""
        began = asyncio.get_running_loop().time()
        for _ in range(STARTS_MAX):
            self.process = await asyncio.create_subprocess_exec(
                *launched(self.program.command, signal.SIGKILL, self.program.user),
                env=dict(self.program.env),
                cwd="/",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            while self.process.returncode is None:
                if await self.program.ready():
                    self.ready_seconds.append(asyncio.get_running_loop().time() - began)
                    return
                await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{self.program.name} does not start")

    async def kill(self) -> None:
        """Kills the server and all its sessions."""
        assert self.process is not None
        self.kills += 1
        self._tell(signal.SIGKILL)
        await self.process.wait()

    async def stand_still(self, seconds: float) -> None:
        """Stops the server and all its sessions in the middle of what they do, for that long."""
        self._tell(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        if self.process.returncode is not None:
            return
        for pid in (self.process.pid, *children_of(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def killing(self, *, every_seconds: float, times: int) -> None:
        """Kills it so often, each time that long after it was ready."""
        for _ in range(times):
            await asyncio.sleep(every_seconds)
            await self.kill()
            await self.start()


@asynccontextmanager
async def mortal_postgres(
    path: Path, *, env: Mapping[str, str] | None = None, wal: Path | None = None, **settings: str
) -> AsyncIterator[Mortal]:
    """Makes and starts one in a directory of its own; its log of writes may lie elsewhere."""
    run = RunDir(path)
    run.prepare()
    program, url = await postgres_program(run, free_port(), run.secrets())
    more = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    data = Path(program.command[program.command.index("-D") + 1])
    if wal is not None:
        move_to(wal, data / "pg_wal", program.user)
    server = Mortal(
        replace(program, command=(*program.command, *more), env={**program.env, **(env or {})}),
        url,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
        run.forget_moved_data()


@asynccontextmanager
async def mortal_nats(path: Path) -> AsyncIterator[Mortal]:
    """Makes and starts one in a directory of its own, configured as the stack's."""
    _, server = nats_in(path)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def kept_nats(path: Path, report: Report) -> AsyncIterator[str]:
    """Runs one as the stack's runner keeps it; yields its URL."""
    run, server = nats_in(path)
    async with Group(run=run, changed=lambda: None, report=report) as group:
        await group.start(server.program)
        yield server.url


def nats_in(path: Path) -> tuple[RunDir, Mortal]:
    """Prepares a server of streams in a directory of its own."""
    run = RunDir(path)
    run.prepare()
    ports = Ports({"nats": free_port(), "nats-monitor": free_port()})
    password = run.secrets()["nats"]
    program = nats_program(run, ports, password)
    return run, Mortal(program, f"nats://fairslot:{password}@{ports.address('nats')}")


def move_to(place: Path, directory: Path, user: tuple[int, int] | None) -> None:
    """Moves a directory elsewhere, and leaves a link where it was."""
    shutil.copytree(directory, place)
    for moved in (place, *place.rglob("*")):
        if user:
            os.chown(moved, *user)
    shutil.rmtree(directory)
    directory.symlink_to(place)


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def children_of(pid: int) -> list[int]:
    """Returns the processes a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ledger_of(url: str) -> tuple[str, str]:
    """Makes a ledger on a server; returns the URLs of the service's role and the administrator."""
    admin_url = create_database(url, "ledger")
    urls = set_up(admin_url, secret="of a test", services=["assignment"])
    return urls["assignment"].app, admin_url
