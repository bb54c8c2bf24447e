"""Schedules as served: holidays, preferences, limits and outside calendars over real gRPC."""

import psycopg
from fairslot.availability.v1 import catalog_pb2, events_pb2, schedule_pb2
from google.type.date_pb2 import Date
from google.type.timeofday_pb2 import TimeOfDay

from kit import position
from services.availability.senders import encode
from services.availability.tests.calls import at, changed, codes, refused, rule, window


def keep(country: str, subdivision: str = "", resource_id: str = "", *, none: bool = False):
    return schedule_pb2.SetHolidayCalendarRequest(
        resource_id=resource_id,
        holiday_calendar={"country": country, "subdivision": subdivision, "none": none},
    )


def calendar(*hours: float, sequence: int = 0) -> str:
    """A calendar with an hour of each day at these hours of the first one."""
    events = [
        f"BEGIN:VEVENT\nUID:e{hour}\nSEQUENCE:{sequence}\nDTSTART:{at(hour):%Y%m%dT%H%M%SZ}\n"
        f"DTEND:{at(hour + 1):%Y%m%dT%H%M%SZ}\nEND:VEVENT"
        for hour in hours
    ]
    return "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *events, "END:VCALENDAR"])


async def bring(team, text: str, **more):
    request = schedule_pb2.ImportCalendarRequest(resource_id="bo", text=text, **more)
    return await team("ImportCalendar", request)


async def test_a_public_holiday_closes_the_day_and_says_so(team):
    # The third of March is Liberation Day in Bulgaria.
    written = await team("SetHolidayCalendar", keep("BG"))
    assert written.holiday_calendar.country == "BG"
    assert not await team.starts()
    reply = await team.search()
    assert reply.result == "Nothing is free: of 2 resources, 2 are on a public holiday."
    (verdict,) = (await team.check("bo")).verdicts
    assert codes(verdict) == ["OUTSIDE_HOURS", "HOLIDAY"]
    assert verdict.obstacles[1].blocking_id == "BG/2031-03-03"
    assert verdict.obstacles[1].detail == (
        "Monday 3 March 2031 is a public holiday for Bo: Liberation Day."
    )
    await team("SetHolidayCalendar", keep("", resource_id="bo", none=True))
    assert set((await team.starts())[0]) == {"bo"}
    request = schedule_pb2.GetScheduleRequest(resource_id="ada", window=window(0, 24))
    (holiday,) = (await team("GetSchedule", request)).holidays
    assert (holiday.date.day, holiday.name) == (3, "Liberation Day")


async def test_exceptions_of_a_holiday_still_hold(team):
    await team("SetHolidayCalendar", keep("BG"))
    extra = {
        "kind": "EXTRA",
        "date": Date(year=2031, month=3, day=3),
        "ranges": [{"start": TimeOfDay(hours=10), "end": TimeOfDay(hours=12)}],
    }
    request = schedule_pb2.CreateExceptionRequest(resource_id="ada", exception=extra)
    await team("CreateException", request)
    assert await team.starts() == {1: ["ada"], 2: ["ada"]}


async def test_calendars_nobody_knows_are_refused(team):
    for request, field in (
        (keep("XX"), "holiday_calendar.country"),
        (keep("DE", "QQ"), "holiday_calendar.subdivision"),
        (keep("", none=True), "holiday_calendar.none"),
    ):
        fault = await refused(team("SetHolidayCalendar", request))
        assert (fault.reason, fault.violations[0][0]) == ("INVALID_ARGUMENT", field)
    assert (await refused(team("SetHolidayCalendar", keep("DE", resource_id="no")))).reason == (
        "NOT_FOUND"
    )


async def test_limits_of_a_day_and_a_week_hold_in_searches_and_are_explained(team, ledger):
    for name, limits in (("ada", {"per_day": 1}), ("bo", {"per_week": 2})):
        resource = catalog_pb2.Resource(id=name, limits=limits)
        request = catalog_pb2.UpdateResourceRequest(resource=resource)
        request.update_mask.paths.append("limits")
        await team("UpdateResource", request)
    said = await ledger.say(
        changed("a1", start=4),
        changed("b1", resources=("bo",), start=0),
        changed("b2", resources=("bo",), start=24),
    )
    token = position.encode({"ledger": said})
    assert not await team.starts(0, 8, at_least_as_fresh=token)
    assert set((await team.starts(24, 32))[24]) == {"ada"}
    assert set((await team.starts(24 * 7, 24 * 7 + 8))[24 * 7]) == {"ada", "bo"}
    explained = await team.explain("ada", "bo", start=2)
    assert [codes(one) for one in explained.verdicts] == [["DAY_LIMIT"], ["WEEK_LIMIT"]]
    assert [one.obstacles[0].blocking_id for one in explained.verdicts] == ["a1", "b2"]
    (verdict,) = (await team.check("ada", start=2, ignore_assignment_id="a1")).verdicts
    assert verdict.free
    assert "full for the day" in (await team.search()).result


async def test_preferences_come_back_and_those_of_unknown_work_are_refused(team):
    wish = schedule_pb2.Preference(
        kind="LIKE",
        weight=70,
        days=["MONDAY"],
        hours={"start": TimeOfDay(hours=9), "end": TimeOfDay(hours=12)},
        service_type_id="visit",
    )
    request = schedule_pb2.SetPreferencesRequest(resource_id="ada", preferences=[wish])
    assert list((await team("SetPreferences", request)).preferences) == [wish]
    read = await team("GetSchedule", schedule_pb2.GetScheduleRequest(resource_id="ada"))
    assert list(read.preferences) == [wish]
    found = await team.matrix(0, 5)
    suited = dict(zip(found.start_minutes, found.preferences[1::2], strict=True))
    assert list(suited.values()) == [70, 70, 70, 0]
    assert set(found.preferences[::2]) == {0}
    request.preferences[0].service_type_id = "no"
    assert (await refused(team("SetPreferences", request))).reason == "NOT_FOUND"


async def test_an_imported_calendar_is_busy_and_follows_its_text(team):
    made = await bring(team, calendar(0, 1, 5))
    assert (made.applied, made.ignored, made.removed) == (3, 0, 0)
    assert list(await team.starts(resource_ids=["bo"])) == [2, 4, 6, 7]
    made = await bring(team, calendar(0, 1, 6))
    assert (made.applied, made.ignored, made.removed) == (1, 2, 1)
    assert list(await team.starts(resource_ids=["bo"])) == [2, 4, 5, 7]
    (verdict,) = (await team.check("bo", start=6)).verdicts
    assert [(one.blocking_id, codes(verdict)) for one in verdict.obstacles] == [
        ("e6", ["EXTERNAL_BUSY"])
    ]
    request = schedule_pb2.DeleteExternalBusyRequest(resource_id="bo", uid="e6", sequence=0)
    assert (await team("DeleteExternalBusy", request)).applied
    # Deleted by itself, the same revision does not bring it back.
    assert (await bring(team, calendar(0, 1, 6))).applied == 0
    back = await bring(team, calendar(0, 1, 6, sequence=1))
    assert (back.applied, back.ignored) == (1, 2)


async def test_an_older_revision_of_a_calendar_is_ignored(team):
    await bring(team, calendar(0, 1), revision=7)
    late = await bring(team, calendar(5), revision=6)
    assert (late.applied, late.removed, late.calendar.revision) == (0, 0, 7)
    assert list(await team.starts(resource_ids=["bo"])) == [2, 4, 5, 6, 7]


async def test_a_mass_disappearance_waits_for_somebody_to_say_it_is_right(team, own_database):
    await bring(team, calendar(0, 1, 2, 4, 5, 6))
    held = await bring(team, calendar(7))
    assert (held.applied, held.removed, held.calendar.missing) == (1, 0, 6)
    assert held.calendar.HasField("quarantined_at")
    assert list(await team.starts(resource_ids=["bo"])) == []
    listed = await team("ListCalendars", schedule_pb2.ListCalendarsRequest(quarantined=True))
    assert [one.id for one in listed.calendars] == ["default"]
    read = await team("GetSchedule", schedule_pb2.GetScheduleRequest(resource_id="bo"))
    assert read.calendars[0].missing == 6
    with psycopg.connect(own_database.admin_url) as connection:
        rows = connection.execute(
            "SELECT type, payload FROM availability.outbox ORDER BY id DESC LIMIT 1"
        ).fetchall()
    event = events_pb2.CatalogChanged.FromString(encode(*rows[0]))
    assert event.kind == events_pb2.CatalogChanged.CALENDAR_QUARANTINED
    assert list(event.ids) == ["bo"]
    # Once more the same: still the same quarantine, and nobody is told twice.
    again = await bring(team, calendar(7))
    assert again.calendar.quarantined_at == held.calendar.quarantined_at
    freed = await bring(team, calendar(7), accept_missing=True)
    assert (freed.removed, freed.calendar.HasField("quarantined_at")) == (6, False)
    assert list(await team.starts(resource_ids=["bo"])) == [0, 1, 2, 4, 5, 6]
    listed = await team("ListCalendars", schedule_pb2.ListCalendarsRequest(quarantined=True))
    assert not listed.calendars


async def test_a_calendar_that_comes_back_ends_its_quarantine(team):
    await bring(team, calendar(0, 1, 2, 4))
    await bring(team, calendar())
    back = await bring(team, calendar(0, 1, 2, 4))
    assert not back.calendar.HasField("quarantined_at")
    assert back.removed == 0


async def test_text_that_is_no_calendar_changes_nothing(team):
    await bring(team, calendar(0))
    for text in ("hello", "BEGIN:VCALENDAR", calendar(0).replace("DTSTART", "DTSTAR")):
        fault = await refused(bring(team, text))
        assert (fault.reason, fault.violations[0][0]) == ("INVALID_ARGUMENT", "text")
    assert list(await team.starts(resource_ids=["bo"]))[:2] == [1, 2]


async def test_all_day_events_are_read_in_the_resources_zone(ann):
    await ann.service_type("visit", granularity={"seconds": 3600})
    await ann.person("bo", rule(start=0, end=24, breaks=()), time_zone="America/New_York")
    text = calendar().replace(
        "END:VCALENDAR",
        "BEGIN:VEVENT\nUID:d\nDTSTART;VALUE=DATE:20310303\nEND:VEVENT\nEND:VCALENDAR",
    )
    await bring(ann, text)
    # From 05:00 UTC that day until 05:00 UTC the next.
    hours = list(await ann.starts(-4, 24))
    assert hours == list(range(20, 24))
