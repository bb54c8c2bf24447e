"""Outside calendars expand to the occurrences on which others agreed, and are never half read."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from services.availability.domain import Span, floor_minute, moment_of
from services.availability.rules.calendar_text import CalendarError, read_calendar
from services.availability.rules.calendars import busy_times, horizon_of
from services.availability.rules.zones import Zones

ROOT = Path(__file__).resolve().parents[3]
CALENDARS = ROOT.parent / "shared" / "data" / "calendars"
NEEDS_DATA = pytest.mark.skipif(not CALENDARS.is_dir(), reason="the shared calendars are not here")
ZONES = Zones()


def event(uid: str, start: str, end: str, *more: str) -> str:
    return "\n".join(
        ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTART{start}", f"DTEND{end}", *more, "END:VEVENT"]
    )


def calendar(*parts: str, zone: str = "") -> str:
    named = [f"X-WR-TIMEZONE:{zone}"] if zone else []
    return "\n".join(
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *named, *parts, "END:VCALENDAR"]
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def busy(text: str | bytes, low="2026-01-01", high="2026-04-01", zone="Europe/Berlin"):
    said = read_calendar(text, at(low), at(high))
    found = busy_times(said, horizon=horizon_of(said), zone=ZONES.get(zone), zones=ZONES)
    return {
        one.uid: f"{moment_of(one.span.start):%m-%d %H:%M} {moment_of(one.span.end):%m-%d %H:%M}"
        for one in found
    }


def text_of(when: date | datetime) -> str:
    if not isinstance(when, datetime):
        return when.isoformat()
    if when.tzinfo is None:
        return when.strftime("%Y-%m-%dT%H:%M:%S")
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cases():
    if not CALENDARS.is_dir():
        return []
    return json.loads((CALENDARS / "recurrence_examples.json").read_text())["cases"]


@NEEDS_DATA
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_every_calendar_expands_to_the_occurrences_listed(case) -> None:
    low, high = (datetime.fromisoformat(case["window"][name]) for name in ("from", "to"))
    said = read_calendar((CALENDARS / case["ics"]).read_bytes(), low, high)
    found = sorted([text_of(one.start), text_of(one.end)] for one in said.occurrences)
    assert found == sorted(case["occurrences"])
    horizon = Span(floor_minute(low), floor_minute(high))
    listed = {
        (floor_minute(datetime.fromisoformat(a)), floor_minute(datetime.fromisoformat(b)))
        for a, b in case["busy_utc"]
        if a != b
    }
    taken = busy_times(said, horizon=horizon, zone=ZONES.get("UTC"), zones=ZONES)
    transparent = {one.uid for one in said.occurrences if not one.busy}
    if not transparent:
        assert listed <= {(one.span.start, one.span.end) for one in taken}


@NEEDS_DATA
def test_statements_of_availability_make_busy_what_lies_outside() -> None:
    # Weekdays from 9 to 17 in Montreal, from Sunday 2 October 2011 on.
    text = (CALENDARS / "rfc7953_availability_1.ics").read_bytes()
    found = list(busy(text, "2011-10-03", "2011-10-05").values())
    assert found == [
        "10-03 00:00 10-03 13:00",
        "10-03 21:00 10-04 13:00",
        "10-04 21:00 10-05 00:00",
    ]
    # Four days a week at the main office and Thursdays mornings at a branch, for two months.
    text = (CALENDARS / "rfc7953_availability_2.ics").read_bytes()
    found = list(busy(text, "2011-10-06", "2011-10-08").values())
    assert found == ["10-06 00:00 10-06 13:00", "10-06 21:00 10-08 00:00"]
    assert list(busy(text, "2011-12-02", "2011-12-04").values()) == ["12-02 00:00 12-02 05:00"]


def test_the_weightier_statement_decides_its_range() -> None:
    def hours(uid: str, priority: int, first: str, last: str, start: str, end: str) -> str:
        return "\n".join(
            [
                "BEGIN:VAVAILABILITY", f"UID:{uid}", f"PRIORITY:{priority}",
                f"DTSTART:{first}T000000Z", f"DTEND:{last}T000000Z",
                "BEGIN:AVAILABLE", f"UID:{uid}-a", f"DTSTART:{first}T{start}0000Z",
                f"DTEND:{first}T{end}0000Z", "RRULE:FREQ=DAILY", "END:AVAILABLE",
                "END:VAVAILABILITY",
            ]
        )  # fmt: skip

    text = calendar(
        hours("usual", 9, "20260105", "20260108", "08", "12"),
        hours("trip", 1, "20260106", "20260107", "14", "15"),
    )
    assert list(busy(text).values()) == [
        "01-06 00:00 01-06 14:00",
        "01-06 15:00 01-07 00:00",
        "01-05 00:00 01-05 08:00",
        "01-05 12:00 01-06 00:00",
        "01-07 00:00 01-07 08:00",
        "01-07 12:00 01-08 00:00",
    ]


def test_whole_days_and_floating_times_are_read_by_the_calendars_own_clocks() -> None:
    parts = (
        event("day", ";VALUE=DATE:20260105", ";VALUE=DATE:20260106"),
        event("float", ":20260105T100000", ":20260105T110000"),
    )
    assert busy(calendar(*parts)) == {
        "day": "01-04 23:00 01-05 23:00",
        "float": "01-05 09:00 01-05 10:00",
    }
    assert busy(calendar(*parts, zone="America/New_York")) == {
        "day": "01-05 05:00 01-06 05:00",
        "float": "01-05 15:00 01-05 16:00",
    }
    assert busy(calendar(*parts, zone="Mars/X")) == busy(calendar(*parts))


def test_series_keep_their_hours_across_a_change_of_clocks_and_their_names_when_moved() -> None:
    text = calendar(
        event(
            "s", ";TZID=Europe/Berlin:20260322T100000", ";TZID=Europe/Berlin:20260322T110000",
            "RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Europe/Berlin:20260329T100000",
        ),
        event(
            "s", ":20260406T070000Z", ":20260406T080000Z",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260405T100000",
        ),
    )  # fmt: skip
    assert busy(text, high="2026-05-01") == {
        "s/2026-03-22T10:00:00+01:00": "03-22 09:00 03-22 10:00",
        "s/2026-04-05T10:00:00+02:00": "04-06 07:00 04-06 08:00",
        "s/2026-04-12T10:00:00+02:00": "04-12 08:00 04-12 09:00",
    }


def test_a_yearly_day_that_most_years_lack_is_kept_in_leap_years_only() -> None:
    leap = event("l", ";VALUE=DATE:20240229", ";VALUE=DATE:20240301", "RRULE:FREQ=YEARLY")
    assert list(busy(calendar(leap), "2024-01-01", "2029-01-01", "UTC").values()) == [
        "02-29 00:00 03-01 00:00",
        "02-29 00:00 03-01 00:00",
    ]


def test_what_is_cancelled_transparent_or_without_length_is_not_busy() -> None:
    times = (":20260105T100000Z", ":20260105T110000Z")
    text = calendar(
        event("c", *times, "STATUS:CANCELLED"),
        event("t", *times, "TRANSP:TRANSPARENT"),
        event("z", times[0], times[0]),
        event("b", *times, "STATUS:TENTATIVE"),
    )
    assert list(busy(text)) == ["b"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "BEGIN:VCALENDAR",
        calendar("BEGIN:VEVENT\nUID:x\nDTSTART:nonsense\nEND:VEVENT"),
        calendar("BEGIN:VEVENT\nUID:x\nEND:VEVENT"),
        calendar(event("x", ":20260105T100000Z", ":20260105T110000Z", "RRULE:FREQ=NEVER")),
        calendar(event("x", ":20260105T100000Z", ":20260105T110000Z", "RRULE:FREQ=SECONDLY")),
        calendar(event("x", ":20260105T110000Z", ":20260105T100000Z")),
    ],
)
def test_text_nobody_can_mean_is_refused_whole(text: str) -> None:
    with pytest.raises(CalendarError):
        busy(text)
