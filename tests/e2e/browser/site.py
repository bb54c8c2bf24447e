"""A small site to plan: three people, two kinds of work, a week with leave and outside events."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.e2e.callers import Http, Tenant
from tests.e2e.moments import span, told

ZONE = ZoneInfo("Europe/Berlin")
WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
HOURS = {"rules": [{"days": WORKDAYS, "start": {"hours": 8}, "end": {"hours": 16}}]}
NAMES = {"ada": "Ada", "bruno": "Bruno", "chidi": "Chidi"}


@dataclass(frozen=True)
class Site:
    """What there is to plan, and the Monday on which everything happens."""

    tenant: Tenant
    monday: date

    def moment(self, hour: int, *, day: int = 0, minute: int = 0) -> datetime:
        """A moment of the week by the clocks of the site."""
        on = self.monday + timedelta(days=day)
        return datetime.combine(on, time(hour, minute), ZONE)

    def planner(self, name: str = "anna") -> Http:
        """A planner who uses the API and no page."""
        return self.tenant.http("planner", name)

    def assigned(self, request: str, resource: str, hour: int, *, day: int = 0) -> Any:
        """Assigns a request; returns the assignment."""
        start = told(self.moment(hour, day=day))
        body = {"bookingRequestId": request, "resourceIds": [resource], "start": start}
        return self.planner().made("/v1/assignments", body)

    def moved(self, request: str, resource: str, hour: int) -> None:
        """Moves what a request got, as a planner who uses no page."""
        found = self.planner().get("/v1/assignments").body["assignments"]
        made = next(one for one in found if one["bookingRequestId"] == request)
        start = told(self.moment(hour))
        body = {"resourceIds": [resource], "start": start, "etag": made["etag"]}
        self.planner().made(f"/v1/assignments/{made['id']}:reassign", body)

    def wanted(self, name: str) -> None:
        """Makes a request for a visit in the week."""
        week = {"startTime": told(self.moment(0)), "endTime": told(self.moment(0, day=5))}
        body = {"id": name, "serviceTypeId": "visit", "window": week, "partySize": 2}
        self.planner().made("/v1/requests", body)


def next_monday() -> date:
    """The first day of the week that comes, by the clocks of the site."""
    today = datetime.now(ZONE).date()
    return today + timedelta(days=7 - today.weekday())


def furnish(tenant: Tenant, *, requests: int = 3) -> Site:
    """Makes the site, with requests q1, q2 and so on."""
    site = Site(tenant, next_monday())
    admin = tenant.http("admin")
    answer = admin.put("/v1/tenant", {"displayName": "Heat & Co", "timeZone": "Europe/Berlin"})
    assert answer.status == 200, answer.raw
    visit = {"id": "visit", "displayName": "Boiler visit", "duration": "3600s"}
    admin.made("/v1/serviceTypes", {**visit, "granularity": "1800s", "requiredSkills": ["boiler"]})
    for name, shown in NAMES.items():
        skills = [] if name == "chidi" else [{"name": "boiler"}]
        body = {"id": name, "displayName": shown, "kind": "PERSON", "skills": skills}
        admin.made("/v1/resources", body)
        assert admin.put(f"/v1/resources/{name}/schedule", HOURS).status == 200
    leave = {"interval": span(site.moment(8, day=1), 480), "reason": "course"}
    admin.made("/v1/resources/bruno/timeOff", leave)
    event = {"uid": "dentist", "interval": span(site.moment(13), 60)}
    admin.made("/v1/resources/ada/externalBusy", {"events": [event]})
    for number in range(requests):
        site.wanted(f"q{number + 1}")
    return site
