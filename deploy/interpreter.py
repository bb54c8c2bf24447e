"""Prints which Python to make the environment with: the one that runs this, or the system's own
where that is clearly quicker.

A Python that was built at home, by pyenv or asdf, mostly lacks the optimisation that distributions
build theirs with, and takes half as much time again for the same code. It is measured, as neither
says so.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence

SYSTEMS_OWN = "/usr/bin/python3"
# Clearly quicker: it takes at most this share of the time.
SHARE_MAX = 0.8
# Taken in turns, as a machine that others use is not equally quick from one moment to the next.
ROUNDS = 8
PATIENCE_SECONDS = 20
# Calls, attributes, small containers and texts, which is what a service spends its time on.
MEASURE = """
import ensurepip, sys, timeit
assert sys.version_info >= (3, 11)
class Thing:
    def __init__(self, value): self.value = value
    def plus(self, more): return self.value + more
def work():
    total, seen = 0, {}
    for number in range(2000):
        total += Thing(number).plus(number)
        seen[str(number)] = (number, total)
work()
print(min(timeit.repeat(work, number=4, repeat=5)))
"""

Measured = Callable[[str], float | None]


def seconds_of(python: str) -> float | None:
    """Returns how long an interpreter takes for some work; none where it will not do."""
    command = [python, "-I", "-c", MEASURE]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
        )
        return float(ended.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def quickest(first: str, others: Sequence[str], measured: Measured = seconds_of) -> str:
    """Returns the first interpreter, unless another is clearly quicker."""
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for python in (first, *others):
            seconds = measured(python)
            if seconds is not None:
                best[python] = min(seconds, best.get(python, seconds))
    if first not in best:
        return first
    found = min(best, key=lambda python: best[python])
    return found if best[found] <= SHARE_MAX * best[first] else first


if __name__ == "__main__":
    print(quickest(sys.executable, [SYSTEMS_OWN]))
