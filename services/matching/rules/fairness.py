"""Compares what a person was given with what they offered, in whole numbers only."""

from dataclasses import dataclass

# |actual - target| may be at most this much of the target, inclusive.
TOLERANCE_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Share:
    """One person among the people compared, over one month, in whole units (days or minutes)."""

    offered: int
    offered_all: int
    given: int
    given_all: int
    # How much of the target the gap may be, in percent, inclusive.
    tolerance_percent: int = TOLERANCE_PERCENT

    @property
    def comparable(self) -> bool:
        """False where nobody offered or nothing was given: then there is no gap."""
        return self.offered_all > 0 and self.given_all > 0

    @property
    def within_tolerance(self) -> bool:
        """Says whether |actual - target| is at most the tolerance of the target, exactly.

        Both sides of |g/G - o/O| <= t/100 * o/O are multiplied by 100 * G * O.
        """
        if not self.comparable:
            return True
        gap = abs(self.given * self.offered_all - self.offered * self.given_all)
        return 100 * gap <= self.tolerance_percent * self.offered * self.given_all

    def with_more(self, units: int) -> "Share":
        """Gives the share after so many more units for this person."""
        return Share(
            offered=self.offered,
            offered_all=self.offered_all,
            given=self.given + units,
            given_all=self.given_all + units,
            tolerance_percent=self.tolerance_percent,
        )

    @property
    def target_tenths(self) -> int:
        """Target in tenths of a percent, rounded half up; 0 where nobody offered."""
        return _tenths(self.offered, self.offered_all)

    @property
    def actual_tenths(self) -> int:
        """Actual in tenths of a percent, rounded half up; 0 where nothing was given."""
        return _tenths(self.given, self.given_all)

    @property
    def gap_tenths(self) -> int:
        """Actual minus target in tenths of a percent, rounded half up from the exact value."""
        if not self.comparable:
            return 0
        return _tenths(
            self.given * self.offered_all - self.offered * self.given_all,
            self.offered_all * self.given_all,
        )


def _tenths(part: int, whole: int) -> int:
    return (2000 * part + whole) // (2 * whole) if whole else 0
