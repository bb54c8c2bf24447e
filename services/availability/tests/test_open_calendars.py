"""What repeats for ever in an imported calendar keeps its time, however far ahead somebody asks."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fairslot.availability.v1 import schedule_pb2

from services.availability.rules.calendar_text import read_calendar
from services.availability.tests.calls import MORNING, codes, refused, served
from services.availability.tests.test_calendars import calendar, event

HOURS_A_WEEK = 7 * 24
# Mondays, as MORNING is one: within what an import reads, and more than five years ahead.
NEAR = -(-(datetime.now(UTC) - MORNING) // timedelta(weeks=1)) + 4
FAR = -(-(datetime.now(UTC) + timedelta(days=5 * 366) - MORNING) // timedelta(weeks=1))
WEEKLY = event(
    "standup",
    ":20240101T100000Z",
    ":20240101T110000Z",
    "RRULE:FREQ=WEEKLY;BYDAY=MO",
    "EXDATE:20240108T100000Z",
    "SUMMARY:nobody's business",
    "DESCRIPTION:with the works council",
)
ONCE = event("once", ":20240102T100000Z", ":20240102T110000Z")


async def imports(ann, *parts: str, accept=False):
    request = schedule_pb2.ImportCalendarRequest(
        resource_id="ada", text=calendar(*parts), accept_missing=accept
    )
    return await ann("ImportCalendar", request)


async def free_at(ann, weeks: int) -> set[int]:
    """The hours from nine on at which Ada may be booked, on a Monday so many weeks from MORNING."""
    first = weeks * HOURS_A_WEEK
    found = await ann.search(first, first + 4, resource_ids=["ada"])
    monday = MORNING + timedelta(weeks=weeks)
    return {
        int((slot.start.ToDatetime(UTC) - monday) / timedelta(hours=1)) + 9 for slot in found.slots
    }


def kept(database) -> list[str]:
    with psycopg.connect(database.admin_url) as connection:
        rows = connection.execute("SELECT text FROM availability.open_calendar").fetchall()
    return [text for (text,) in rows]


@pytest.mark.parametrize("weeks", [NEAR, FAR], ids=["near", "far"])
async def test_a_rule_without_an_end_blocks_whenever_somebody_asks(team, weeks):
    assert await free_at(team, weeks) == {9, 10, 11}
    await imports(team, WEEKLY)
    assert await free_at(team, weeks) == {9, 11}
    start = weeks * HOURS_A_WEEK + 1
    assert codes((await team.check("ada", start=start)).verdicts[0]) == ["EXTERNAL_BUSY"]
    assert codes((await team.explain("ada", start=start)).verdicts[0]) == ["EXTERNAL_BUSY"]


async def test_it_is_the_check_alone_that_may_come_first(team):
    await imports(team, WEEKLY)
    start = FAR * HOURS_A_WEEK + 1
    assert codes((await team.check("ada", start=start)).verdicts[0]) == ["EXTERNAL_BUSY"]
    assert (await team.check("ada", start=start + 1)).verdicts[0].free


async def test_another_process_learns_of_it_and_reads_it_itself(
    team, own_database, servers, tokens
):
    await imports(team, WEEKLY)
    async with served(database=own_database, servers=servers, tokens=tokens) as caller:
        other = caller()
        assert await free_at(other, NEAR) == {9, 11}
        assert await free_at(team, FAR) == {9, 11}
        assert await free_at(other, FAR) == {9, 11}
        assert await free_at(other, FAR + 100) == {9, 11}
        assert await free_at(team, FAR + 100) == {9, 11}


async def test_an_import_anew_changes_what_was_read_far_ahead(team, own_database):
    await imports(team, WEEKLY, ONCE)
    assert await free_at(team, FAR) == {9, 11}
    # The same again says nothing new, near or far.
    again = await imports(team, WEEKLY, ONCE)
    assert (again.applied, again.removed) == (0, 0)
    assert await free_at(team, FAR) == {9, 11}
    # An hour later from now on.
    later = WEEKLY.replace("T10", "T11").replace("T110000Z\nRRULE", "T120000Z\nRRULE")
    await imports(team, later, "", accept=True)
    assert await free_at(team, NEAR) == {9, 10}
    assert await free_at(team, FAR) == {9, 10}
    # Gone altogether: nothing of it stays behind, however far.
    await imports(team, ONCE, accept=True)
    assert await free_at(team, FAR) == {9, 10, 11}
    assert kept(own_database) == []


async def test_an_occurrence_deleted_by_itself_stays_deleted(team):
    await imports(team, WEEKLY)
    assert await free_at(team, FAR) == {9, 11}
    monday = MORNING + timedelta(weeks=FAR)
    uid = f"standup/{monday.replace(hour=10).isoformat()}"
    request = schedule_pb2.DeleteExternalBusyRequest(resource_id="ada", uid=uid, sequence=1)
    await team("DeleteExternalBusy", request)
    assert await free_at(team, FAR) == {9, 10, 11}
    assert await free_at(team, FAR + 1) == {9, 11}
    assert await free_at(team, FAR + 100) == {9, 11}


async def test_only_times_are_kept_and_only_of_what_goes_on(team, own_database):
    ended = event(
        "ended", ":20240101T080000Z", ":20240101T090000Z", "RRULE:FREQ=DAILY;UNTIL=20240301T000000Z"
    )
    await imports(team, ended, ONCE)
    assert kept(own_database) == []
    await imports(team, WEEKLY, ONCE, accept=True)
    (text,) = kept(own_database)
    for said in ("SUMMARY", "council", "UID:once"):
        assert said not in text
    assert "RRULE" in text
    assert "EXDATE" in text


async def test_nobody_is_told_what_cannot_be_known(team):
    await imports(team, WEEKLY)
    fault = await refused(free_at(team, FAR + 52 * 40))
    assert fault.reason == "WINDOW_TOO_LONG"
    assert await free_at(team, NEAR) == {9, 11}


def test_what_is_kept_expands_like_the_whole() -> None:
    zone = "\n".join(
        [
            "BEGIN:VTIMEZONE",
            "TZID:Own",
            "BEGIN:STANDARD",
            "DTSTART:19700101T000000",
            "TZOFFSETFROM:+0500",
            "TZOFFSETTO:+0500",
            "END:STANDARD",
            "END:VTIMEZONE",
        ]
    )
    moved = event(
        "gym",
        ";TZID=Own:20350109T120000",
        ";TZID=Own:20350109T130000",
        "RECURRENCE-ID;TZID=Own:20350108T100000",
    )
    gym = event(
        "gym", ";TZID=Own:20240101T100000", ";TZID=Own:20240101T113000", "RRULE:FREQ=WEEKLY",
        "DESCRIPTION:long\n  folded text",
    )  # fmt: skip
    floating = event("floats", ":20240101T070000", ":20240101T080000", "RRULE:FREQ=YEARLY")
    text = calendar(zone, gym, moved, floating, ONCE, zone="Europe/Berlin")
    low, middle, high = (datetime(year, 1, 1, tzinfo=UTC) for year in (2024, 2027, 2036))
    first = read_calendar(text, low, middle)
    then = read_calendar(first.open_text, middle, high)
    whole = read_calendar(text, low, high)
    joined = {(one.uid, one.start, one.end) for one in (*first.occurrences, *then.occurrences)}
    assert joined == {(one.uid, one.start, one.end) for one in whole.occurrences}
    assert (first.zone_name, then.zone_name) == ("Europe/Berlin", "Europe/Berlin")
