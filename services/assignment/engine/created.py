"""Remembers booking requests that this process has just created, for whoever places them next."""

from collections import OrderedDict

from services.assignment.domain import BookingRequest

REMEMBERED_MAX = 10_000


class Created:
    """Requests as they were created, each to be taken once; the oldest are forgotten.

    Whoever takes one must still have the ledger look, in the transaction that places it, whether it
    is as it was: by its edition.
    """

    def __init__(self) -> None:
        """Begins with none."""
        self._requests: OrderedDict[tuple[str, str], BookingRequest] = OrderedDict()

    def note(self, tenant: str, request: BookingRequest) -> None:
        """Remembers a request."""
        self._requests[tenant, request.id] = request
        if len(self._requests) > REMEMBERED_MAX:
            self._requests.popitem(last=False)

    def take(self, tenant: str, request_id: str) -> BookingRequest | None:
        """Returns a request and forgets it."""
        return self._requests.pop((tenant, request_id), None)
