"""Processes for long work: each takes one job at a time, tells how far it is, and can be ended."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from kit.fault import Broken, Unavailable

Job = TypeVar("Job")
Told = TypeVar("Told")
Answer = TypeVar("Answer")
# Answers come before solvers: long work yields to calls that are waiting.
NICENESS = 5
# How long a call waits for a free process before it is refused.
WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Done(Generic[Answer]):
    """The end of a job."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that raised."""

    error: str


class Worker:
    """One process and the pipe to it; started when first needed."""

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def begin(self, work: Callable[[Any, Callable[[Any], None]], Any], job: object) -> None:
        """Hands a job over, to a new process if there is none; blocks while it is written."""
        if self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        assert self._pipe is not None
        self._pipe.send((work, job))

    def read(self) -> Any:
        """Waits for what the process says next; raises EOFError when it died."""
        assert self._pipe is not None
        return self._pipe.recv()

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


class Pool:
    """So many processes at most; who finds none free waits, but not for ever."""

    def __init__(self, size: int) -> None:
        """Takes how many processes may run."""
        self._all = [Worker() for _ in range(size)]
        self._free: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        for worker in self._all:
            self._free.put_nowait(worker)

    async def run(
        self, work: Callable[[Job, Callable[[Told], None]], Answer], job: Job
    ) -> AsyncGenerator[Told | Done[Answer], None]:
        """Yields what the job tells, then its answer as Done. A job nobody waits for is ended.

        Raises Unavailable when all processes stay busy or the one at work died, Broken when the
        job raised.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                worker = await self._free.get()
        except TimeoutError as error:
            raise Unavailable(
                "UNAVAILABLE", "all solvers are busy", retry_after_seconds=5.0
            ) from error
        whole = False
        try:
            await asyncio.to_thread(worker.begin, work, job)
            while True:
                said = await asyncio.to_thread(worker.read)
                if isinstance(said, Failed):
                    whole = True
                    raise Broken("INTERNAL", f"the solver failed: {said.error}")
                if isinstance(said, Done):
                    whole = True
                yield said
                if whole:
                    return
        except (EOFError, OSError) as error:
            raise Unavailable(
                "UNAVAILABLE", "the solver died; repeat the call", retry_after_seconds=1.0
            ) from error
        finally:
            if not whole:
                worker.end()
            self._free.put_nowait(worker)

    def close(self) -> None:
        """Ends all processes."""
        for worker in self._all:
            worker.end()


@contextlib.asynccontextmanager
async def open_pool(size: int) -> AsyncIterator[Pool]:
    """Yields a pool and ends its processes with the block."""
    pool = Pool(size)
    try:
        yield pool
    finally:
        pool.close()


def serve(pipe: Connection) -> None:
    """Runs in the process: does job after job until the other end is gone."""
    # Ctrl-C goes to everybody; the service decides when its processes end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    with contextlib.suppress(EOFError, OSError):
        while True:
            work, job = pipe.recv()
            try:
                answer = work(job, pipe.send)
            except Exception as error:
                pipe.send(Failed(repr(error)))
            else:
                pipe.send(Done(answer))
