"""What must be refused: the path, the body, the status and the reason of each."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.moments import span, told

NEXT = (datetime.now(UTC) + timedelta(days=7)).replace(hour=9, minute=0, second=0, microsecond=0)
DAY = 24 * 60


def local(year: int, month: int, day: int, hour: int, minute: int) -> dict[str, int]:
    fields = ("year", "month", "day", "hours", "minutes")
    return dict(zip(fields, (year, month, day, hour, minute), strict=True))


# The clocks of New York go forward on 2027-03-14 at 02:00 and back on 2027-11-07 at 02:00.
GAP = {"start": local(2027, 3, 14, 2, 30), "end": local(2027, 3, 14, 9, 0)}
TWICE = {"start": local(2027, 11, 7, 1, 30), "end": local(2027, 11, 7, 9, 0)}
REVERSED = {"startTime": told(NEXT + timedelta(hours=1)), "endTime": told(NEXT)}
EMPTY = {"startTime": told(NEXT), "endTime": told(NEXT)}
REQUEST = {"id": "bad", "serviceTypeId": "visit"}
HOLD = {"serviceTypeId": "visit", "resourceIds": ["r1"], "start": told(NEXT)}
SEARCH = {"serviceTypeId": "visit"}
RESOURCE = {"id": "bad", "kind": "PERSON"}
PAST = "2020-01-01T09:00:00Z"
INVALID = "INVALID_ARGUMENT"

BAD: dict[str, tuple[str, dict[str, Any], int, str]] = {
    # Windows.
    "request, reversed": ("/v1/requests", {**REQUEST, "window": REVERSED}, 400, "WINDOW_INVALID"),
    "request, empty": ("/v1/requests", {**REQUEST, "window": EMPTY}, 400, "WINDOW_INVALID"),
    "search, reversed": ("/v1/slots:search", {**SEARCH, "window": REVERSED}, 400, "WINDOW_INVALID"),
    "rank, reversed": (
        "/v1/candidates:rank",
        {"request": {**SEARCH, "window": REVERSED}},
        400,
        "WINDOW_INVALID",
    ),
    "leave, reversed": ("/v1/resources/r1/timeOff", {"interval": REVERSED}, 400, "WINDOW_INVALID"),
    "leave without time": ("/v1/resources/r1/timeOff", {"reason": "x"}, 400, INVALID),
    "hold without start": ("/v1/holds", {"serviceTypeId": "visit"}, 400, INVALID),
    "explain without slot": ("/v1/slots:explain", {"serviceTypeId": "visit"}, 400, INVALID),
    "hold within a minute": (
        "/v1/holds",
        {**HOLD, "start": told(NEXT).replace("00Z", "30Z")},
        400,
        INVALID,
    ),
    "busy, reversed": (
        "/v1/resources/r1/externalBusy",
        {"events": [{"uid": "e1", "interval": REVERSED}]},
        400,
        "WINDOW_INVALID",
    ),
    # Zones and wall clocks.
    "resource, unknown zone": ("/v1/resources", {**RESOURCE, "timeZone": "Mars/X"}, 400, INVALID),
    "search, unknown zone": ("/v1/slots:search", {**SEARCH, "timeZone": "Mars/X"}, 400, INVALID),
    "request, clock in a gap": (
        "/v1/requests",
        {**REQUEST, "localWindow": GAP, "timeZone": "America/New_York"},
        400,
        "AMBIGUOUS_LOCAL_TIME",
    ),
    "request, clock twice": (
        "/v1/requests",
        {**REQUEST, "localWindow": TWICE, "timeZone": "America/New_York"},
        400,
        "AMBIGUOUS_LOCAL_TIME",
    ),
    "search, clock in a gap": (
        "/v1/slots:search",
        {**SEARCH, "localWindow": GAP, "timeZone": "America/New_York"},
        400,
        "AMBIGUOUS_LOCAL_TIME",
    ),
    "leave, clock twice": (
        "/v1/resources/r1/timeOff",
        {"localInterval": TWICE},
        400,
        "AMBIGUOUS_LOCAL_TIME",
    ),
    # Numbers and shapes.
    "request, negative party": ("/v1/requests", {**REQUEST, "partySize": -1}, 400, INVALID),
    "search, negative party": ("/v1/slots:search", {**SEARCH, "partySize": -2}, 400, INVALID),
    "hold, negative party": ("/v1/holds", {**HOLD, "partySize": -3}, 400, INVALID),
    "hold, too many choices": ("/v1/holds", {**HOLD, "alternatives": 21}, 400, INVALID),
    "resource without kind": ("/v1/resources", {"id": "bad"}, 400, INVALID),
    "resource, odd id": ("/v1/resources", {**RESOURCE, "id": "a/b c"}, 400, INVALID),
    "service without duration": ("/v1/serviceTypes", {"id": "bad"}, 400, INVALID),
    "service, negative buffer": (
        "/v1/serviceTypes",
        {"id": "bad", "duration": "600s", "bufferBefore": "-60s"},
        400,
        INVALID,
    ),
    # Parties that do not fit, times that do not do, names nobody knows.
    "hold, party too large": ("/v1/holds", {**HOLD, "partySize": 5}, 400, "PARTY_TOO_LARGE"),
    "hold in the past": (
        "/v1/holds",
        {**HOLD, "start": "2020-01-01T09:00:00Z"},
        400,
        "NOT_AVAILABLE",
    ),
    "request, unknown service": (
        "/v1/requests",
        {**REQUEST, "serviceTypeId": "no"},
        404,
        "NOT_FOUND",
    ),
    "hold, unknown service": ("/v1/holds", {**HOLD, "serviceTypeId": "no"}, 404, "NOT_FOUND"),
    "hold, unknown resource": ("/v1/holds", {**HOLD, "resourceIds": ["no"]}, 404, "NOT_FOUND"),
    "hold, unknown request": (
        "/v1/holds",
        {"bookingRequestId": "no", "resourceIds": ["r1"], "start": told(NEXT)},
        404,
        "NOT_FOUND",
    ),
    "assign, unknown request": (
        "/v1/assignments",
        {"bookingRequestId": "no", "resourceIds": ["r1"], "start": told(NEXT)},
        404,
        "NOT_FOUND",
    ),
    "rank, unknown request": ("/v1/candidates:rank", {"bookingRequestId": "no"}, 404, "NOT_FOUND"),
    "search, unknown service": ("/v1/slots:search", {"serviceTypeId": "no"}, 404, "NOT_FOUND"),
    "confirm, unknown hold": ("/v1/holds/no:confirm", {}, 404, "NOT_FOUND"),
    "cancel, unknown assignment": ("/v1/assignments/no:cancel", {}, 404, "NOT_FOUND"),
    "leave of nobody": (
        "/v1/resources/no/timeOff",
        {"interval": span(NEXT, DAY)},
        404,
        "NOT_FOUND",
    ),
}
