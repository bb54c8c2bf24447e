"""What a ranking is asked for."""

from dataclasses import dataclass
from datetime import datetime

from services.matching.domain import Question, Window

DEFAULT_LIMIT = 10
DEFAULT_MAX_REJECTIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCall:
    """Asks for ranked candidates: for a stored booking request or for a question of its own."""

    booking_request_id: str = ""
    question: Question | None = None
    # Only this slot, in the place of the question's window; a missing end is start + duration.
    slot: Window | None = None
    # In the place of the question's, unless empty.
    resource_ids: tuple[str, ...] = ()
    # Empty: the deciding one.
    policy: str = ""
    limit: int = DEFAULT_LIMIT
    max_rejections: int = DEFAULT_MAX_REJECTIONS
    at_least_as_fresh: str = ""
    as_if_now: datetime | None = None
    # The time of this hold or assignment counts as free.
    ignored_allocation_id: str = ""
