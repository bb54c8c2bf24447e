"""Turns a world's file into the messages that create it, without calling anybody."""

import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fairslot.assignment.v1 import request_pb2
from fairslot.availability.v1 import catalog_pb2, schedule_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.dayofweek_pb2 import DayOfWeek
from google.type.interval_pb2 import Interval
from google.type.latlng_pb2 import LatLng
from google.type.timeofday_pb2 import TimeOfDay

from client import methods
from client.methods import Method
from examples import moments

HERE = Path(__file__).parent
NAMES = ("training", "fieldservice", "restaurant", "clinic")


@dataclass(frozen=True)
class Step:
    """One write that creates a part of a world; `of` is the id it is about."""

    of: str
    method: Method[Any, Any]
    # The method's question.
    request: Any


@dataclass
class World:
    """Everything of one world as calls, in the order in which they may be made.

    Keys are stable: whoever sends the same world twice in one week sends the same keys.
    """

    name: str
    tenant: catalog_pb2.Tenant
    week: str
    service_types: list[Step] = field(default_factory=list)
    resources: list[Step] = field(default_factory=list)
    schedules: list[Step] = field(default_factory=list)
    exceptions: list[Step] = field(default_factory=list)
    requests: list[Step] = field(default_factory=list)

    def key(self, *parts: str) -> str:
        """Makes the idempotency key of one part."""
        return "/".join(("example", self.name, *parts))


def read(name: str, now: datetime) -> World:
    """Reads one of NAMES as it stands now, which is an aware moment."""
    content = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
    tenant = catalog_pb2.Tenant(**content["tenant"])
    zone = ZoneInfo(tenant.time_zone)
    anchor = moments.anchor_of(now.astimezone(zone).date())
    reader = Reader(
        world=World(name, tenant, week=f"{anchor:%G-w%V}"),
        anchor=anchor,
        zone=zone,
        hours_of=content.get("hours_of", {}),
    )
    for row in content["service_types"]:
        reader.service_type(row)
    for row in content["resources"]:
        reader.resource(row)
    for row in content["requests"]:
        reader.request(row)
    return reader.world


@dataclass
class Reader:
    """Translates the rows of a file into steps of a world."""

    world: World
    anchor: date
    zone: ZoneInfo
    hours_of: dict[str, Any]

    def service_type(self, row: dict[str, Any]) -> None:
        """Reads a kind of work."""
        request = catalog_pb2.CreateServiceTypeRequest(
            request_id=self.world.key("service-type", row["id"]),
            service_type=catalog_pb2.ServiceType(
                id=row["id"],
                display_name=row["display_name"],
                duration=duration(row["duration"]),
                granularity=duration(row["step"]),
                required_skills=row["required_skills"],
                buffer_before=duration(row.get("buffer_before", "0m")),
                buffer_after=duration(row.get("buffer_after", "0m")),
                min_notice=duration(row.get("min_notice", "0m")),
                max_horizon=duration(row.get("max_horizon", "0m")),
            ),
        )
        self.world.service_types.append(Step(row["id"], methods.CREATE_SERVICE_TYPE, request))

    def resource(self, row: dict[str, Any]) -> None:
        """Reads a resource with its working time."""
        smallest, largest = row.get("seats", (0, 0))
        resource = catalog_pb2.Resource(
            id=row["id"],
            display_name=row["display_name"],
            kind=row.get("kind", "PERSON"),
            time_zone=self.world.tenant.time_zone,
            skills=[catalog_pb2.Skill(name=name) for name in row["skills"]],
            priority=row.get("priority", 0),
            capacity_min=smallest,
            capacity_max=largest,
            zone=row.get("zone", ""),
            movable=row.get("movable", False),
            adjacent_resource_ids=row.get("beside", []),
            home=place(row.get("home")),
            # From this week on, so that days before the world was made count for nobody.
            joined_on=date_of(self.anchor - timedelta(weeks=1)),
        )
        request = catalog_pb2.CreateResourceRequest(
            resource=resource, request_id=self.world.key("resource", self._dated(row["id"]))
        )
        self.world.resources.append(Step(row["id"], methods.CREATE_RESOURCE, request))
        self._hours(row)
        self._departures(row)

    def _hours(self, row: dict[str, Any]) -> None:
        rows = self.hours_of[row["like"]]["hours"] if "like" in row else row.get("hours", [])
        if rows:
            request = schedule_pb2.SetWeeklyScheduleRequest(
                resource_id=row["id"],
                rules=[weekly_rule(hours) for hours in rows],
                request_id=self.world.key("hours", row["id"]),
            )
            self.world.schedules.append(Step(row["id"], methods.SET_WEEKLY_SCHEDULE, request))

    def _departures(self, row: dict[str, Any]) -> None:
        kinds = schedule_pb2.ScheduleException
        for number, span in enumerate(row.get("offers", []), start=1):
            offer = kinds(kind=kinds.OFFER, interval=self._interval(span))
            self._exception(row["id"], f"offer-{number}", offer)
        for number, day in enumerate(row.get("closed", []), start=1):
            on = moments.day_of(day, self.anchor)
            closed = kinds(kind=kinds.CLOSED, date=date_of(on))
            self._exception(row["id"], f"closed-{number}", closed)
        for number, leave in enumerate(row.get("leave", []), start=1):
            name = self._dated(f"{row['id']}-leave-{number}")
            time_off = schedule_pb2.TimeOff(
                id=name, interval=self._interval(leave["span"]), reason=leave["reason"]
            )
            request = schedule_pb2.CreateTimeOffRequest(
                resource_id=row["id"], time_off=time_off, request_id=self.world.key("leave", name)
            )
            self.world.exceptions.append(Step(name, methods.CREATE_TIME_OFF, request))

    def _exception(
        self, resource_id: str, name: str, exception: schedule_pb2.ScheduleException
    ) -> None:
        exception.id = self._dated(f"{resource_id}-{name}")
        request = schedule_pb2.CreateExceptionRequest(
            resource_id=resource_id,
            exception=exception,
            request_id=self.world.key("exception", exception.id),
        )
        self.world.exceptions.append(Step(exception.id, methods.CREATE_EXCEPTION, request))

    def request(self, row: dict[str, Any]) -> None:
        """Reads what somebody wants."""
        name = self._dated(row["id"])
        booking = request_pb2.BookingRequest(
            id=name,
            service_type_id=row["service_type"],
            window=self._interval(row["window"]) if "window" in row else None,
            party_size=row.get("party_size", 0),
            place=place(row.get("place")),
        )
        request = request_pb2.CreateRequestRequest(
            request=booking, request_id=self.world.key("request", name)
        )
        self.world.requests.append(Step(name, methods.CREATE_REQUEST, request))

    def _dated(self, name: str) -> str:
        """Tells this week's things from those of a load in another week."""
        return f"{name}-{self.world.week}"

    def _interval(self, span: list[str]) -> Interval:
        start, end = (timestamp(moments.moment_of(text, self.anchor, self.zone)) for text in span)
        return Interval(start_time=start, end_time=end)


def weekly_rule(row: dict[str, Any]) -> schedule_pb2.WeeklyRule:
    """Reads { days = "MONDAY-FRIDAY", from = "09:00", to = "17:00", breaks = ["12:00-13:00"] }."""
    pauses = [text.split("-") for text in row.get("breaks", [])]
    return schedule_pb2.WeeklyRule(
        days=[DayOfWeek.Value(day) for day in moments.weekdays_of(row["days"])],
        start=clock(row["from"]),
        end=clock(row["to"]),
        breaks=[schedule_pb2.TimeRange(start=clock(a), end=clock(b)) for a, b in pauses],
    )


def clock(text: str) -> TimeOfDay:
    """Reads "24:00", which is a value."""
    hours, minutes = divmod(moments.minutes_of_clock(text), moments.MINUTES_PER_HOUR)
    return TimeOfDay(hours=hours, minutes=minutes)


def duration(text: str) -> Duration:
    """Reads "1h30m"."""
    return Duration(seconds=60 * moments.minutes_of_duration(text))


def date_of(day: date) -> Date:
    """Tells a day."""
    return Date(year=day.year, month=day.month, day=day.day)


def timestamp(moment: datetime) -> Timestamp:
    """Tells a moment in UTC."""
    return Timestamp(seconds=int(moment.timestamp()))


def place(pair: list[float] | None) -> LatLng | None:
    """Reads [latitude, longitude]."""
    return LatLng(latitude=pair[0], longitude=pair[1]) if pair else None
