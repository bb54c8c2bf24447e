"""Asks a question once for all who ask it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Shared:
    """Questions on their way. What comes after the answer asks anew: nothing is remembered."""

    def __init__(self) -> None:
        """Begins with none on its way."""
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}

    async def ask(self, question: Hashable, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Returns what `work` answers, of whoever asked first.

        One who gives up does not end the question for the others; one whose question fails, for
        its own deadline perhaps, leaves the others to ask for themselves.
        """
        task = self._asked.get(question)
        joined = task is not None
        if task is None:
            task = asyncio.ensure_future(work())
            self._asked[question] = task
            task.add_done_callback(lambda done: self._answered(question, done))
        try:
            answer: Answer = await asyncio.shield(task)
        except Exception:
            if not joined:
                raise
            return await work()
        return answer

    def _answered(self, question: Hashable, task: asyncio.Task[Any]) -> None:
        del self._asked[question]
        # Looked at here, since all who asked may have given up.
        if not task.cancelled():
            task.exception()
