"""Waits for what comes about in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

PAUSE_SECONDS = 0.05

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], *, seconds: float = 15.0) -> Found:
    """Returns what `look` finds, once it finds anything."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(PAUSE_SECONDS)
    return found
