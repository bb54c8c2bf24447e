"""What happened elsewhere, the changes planners see of it, and the webhooks that tell of them."""

from services.notify.domain.changes import (
    AllocationMoved,
    CatalogMoved,
    Change,
    FairnessMoved,
    Happened,
    Kind,
    RequestMoved,
    Topic,
    View,
)
from services.notify.domain.hooks import (
    Answer,
    Attempt,
    Delivery,
    DeliveryState,
    Due,
    Endpoint,
    Message,
)

__all__ = [
    "AllocationMoved",
    "Answer",
    "Attempt",
    "CatalogMoved",
    "Change",
    "Delivery",
    "DeliveryState",
    "Due",
    "Endpoint",
    "FairnessMoved",
    "Happened",
    "Kind",
    "Message",
    "RequestMoved",
    "Topic",
    "View",
]
