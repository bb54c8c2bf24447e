"""Finds what could be had instead of a time that was lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

from kit.call import remaining_seconds
from kit.fault import Fault
from services.assignment.domain import Candidate, Question, Span, Wish
from services.assignment.engine.parts import Matching
from services.assignment.engine.sharing import Shared

# Fresh candidates are looked for this far around the slot that was lost, then in the whole window.
AROUND_BEFORE = timedelta(days=1)
AROUND_AFTER = timedelta(days=2)
# Asked for beyond what is wanted, since some may be taken in the ledger already.
SPARE_CANDIDATES = 8
# What asking matching may take of the time that is left, and how much must be left to ask at all.
SHARE_OF_TIME = 0.7
LEAST_SECONDS = 0.1
NO_DEADLINE_SECONDS = 5.0


class Alternatives:
    """Asks matching on behalf of those who lost a race."""

    def __init__(self, matching: Matching) -> None:
        """Keeps whom to ask."""
        self._matching = matching
        self._asked = Shared()

    async def find(self, tenant: str, wish: Wish, question: Question) -> tuple[Candidate, ...]:
        """Returns what could be had instead: around the slot that was lost, else in the whole
        window; nothing if matching does not answer in time.

        Those who lose one race ask the same, and are answered together.
        """
        around = Span(wish.start - AROUND_BEFORE, wish.start + AROUND_AFTER)
        windows = [around]
        if question.window:
            start = max(around.start, question.window.start)
            end = min(around.end, question.window.end)
            windows = [Span(start, end)] if start < end else []
            windows.append(question.window)
        limit = wish.alternatives + SPARE_CANDIDATES
        asked = replace(question, booking_request_id="", customer_hash="", window=None)
        try:
            async with asyncio.timeout(share_of_time()):
                for window in windows:
                    found = await self._asked.ask(
                        (tenant, asked, window, limit),
                        partial(self._matching.rank, asked, window=window, limit=limit),
                    )
                    if found:
                        return found
        except (Fault, TimeoutError):
            return ()
        return ()


def share_of_time() -> float:
    """Returns how many seconds asking matching may take, so that the answer still gets back."""
    left = remaining_seconds(default=NO_DEADLINE_SECONDS)
    return left * SHARE_OF_TIME if left > LEAST_SECONDS else 0.0
