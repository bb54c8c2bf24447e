"""A PostgreSQL of one's own, to be killed whole and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.database import create_database, set_up
from deploy.local.postgres import postgres_program
from deploy.local.process import Program, launched
from deploy.local.rundir import RunDir

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
        raise AssertionError("PostgreSQL does not start")

    async def kill(self) -> None:
        """Kills the server and all its sessions."""
        assert self.process is not None
        self.kills += 1
        for pid in (self.process.pid, *children_of(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()

    async def killing(self, *, every_seconds: float, times: int) -> None:
        """Kills it so often, each time that long after it was ready."""
        for _ in range(times):
            await asyncio.sleep(every_seconds)
            await self.kill()
            await self.start()


@asynccontextmanager
async def mortal_postgres(path: Path) -> AsyncIterator[Mortal]:
    """Makes and starts one in a directory of its own."""
    run = RunDir(path)
    run.prepare()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, url = await postgres_program(run, port, run.secrets())
    server = Mortal(program, url)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
        run.forget_moved_data()


def children_of(pid: int) -> list[int]:
    """Returns the processes a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ledger_of(url: str) -> tuple[str, str]:
    """Makes a ledger on a server; returns the URLs of the service's role and the administrator."""
    admin_url = create_database(url, "ledger")
    urls = set_up(admin_url, secret="of a test", services=["assignment"])
    return urls["assignment"].app, admin_url
