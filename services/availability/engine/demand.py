"""Counts which days are asked for, by service class."""

from collections.abc import Iterable, Iterator

from services.availability.domain import SlotShape


class Demand:
    """How often each day of each class was asked for, the past counting ever less."""

    def __init__(self) -> None:
        """Starts with nothing asked for."""
        self._counts: dict[SlotShape, dict[int, float]] = {}

    def ask(self, shape: SlotShape, days: Iterable[int]) -> None:
        """Counts a question about days of a class."""
        counts = self._counts.setdefault(shape, {})
        for day in days:
            counts[day] = counts.get(day, 0.0) + 1.0

    def counts(self) -> Iterator[tuple[SlotShape, int, float]]:
        """Gives every class and day with its count."""
        for shape, days in self._counts.items():
            for day, count in days.items():
                yield shape, day, count

    def halve(self, least: float) -> None:
        """Halves every count, and forgets those that become less than the least."""
        for shape, days in list(self._counts.items()):
            left = {day: count / 2 for day, count in days.items() if count / 2 >= least}
            days.clear()
            days.update(left)
            if not days:
                del self._counts[shape]
