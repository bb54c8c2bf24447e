"""Compares what a watcher received with what happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.history.record import Seen, Violation

Known = tuple[str, str, int]


@dataclass(frozen=True)
class FeedReport:
    """What one watcher missed, got twice, and got wrong."""

    missing: int
    repeated: int
    violations: list[Violation]


def check_feed(expected: Iterable[Known], seen: Sequence[Seen], watcher: str) -> FeedReport:
    """Compares (topic, id, version) triples: none missing, none invented, none out of order.

    A change may come more than once. For one thing versions never step back to one not yet seen.
    """
    wanted = set(expected)
    got: set[Known] = set()
    newest: dict[tuple[str, str], int] = {}
    repeated, violations = 0, []
    for change in seen:
        known = (change.topic, change.id, change.version)
        if known in got:
            repeated += 1
            continue
        got.add(known)
        if change.version <= newest.get((change.topic, change.id), 0):
            violations.append(
                Violation("feed", f"{watcher}: {known} came after a later version of it")
            )
        newest[change.topic, change.id] = change.version
        if known not in wanted:
            violations.append(Violation("feed", f"{watcher}: {known} never happened"))
    missing = wanted - got
    if missing:
        violations.append(
            Violation("feed", f"{watcher}: {len(missing)} missing, such as {min(missing)}")
        )
    return FeedReport(len(missing), repeated, violations)
