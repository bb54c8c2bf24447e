"""Says where everybody stands in a month, so that it can be told when somebody leaves tolerance."""

from dataclasses import dataclass

from services.matching.domain import Month
from services.matching.engine.fairness import Fairness, FairnessRow
from services.matching.rules.sentences import drift_sentence

# Shares are told to a millionth.
DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Stand:
    """Where one person stands, as it is told."""

    resource_id: str
    display_name: str
    within: bool
    target_share: float
    actual_share: float
    sentence: str


def stands_of(fairness: Fairness) -> tuple[Stand, ...]:
    """Gives where each person of a report stands."""
    return tuple(_stand(row, fairness.month) for row in fairness.rows)


def _stand(row: FairnessRow, month: Month) -> Stand:
    share = row.share
    return Stand(
        resource_id=row.resource_id,
        display_name=row.display_name,
        within=share.within_tolerance,
        target_share=_quotient(share.offered, share.offered_all),
        actual_share=_quotient(share.given, share.given_all),
        sentence=drift_sentence(row.display_name or row.resource_id, share, month),
    )


def _quotient(part: int, whole: int) -> float:
    return round(part / whole, DECIMALS) if whole else 0.0
