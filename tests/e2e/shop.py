"""The smallest tenant that can book: one kind of work, one person, always open."""

from datetime import UTC, datetime, timedelta

from tests.e2e.callers import Tenant
from tests.e2e.moments import told

START = told(
    (datetime.now(UTC) + timedelta(days=7)).replace(hour=9, minute=0, second=0, microsecond=0)
)
EVERY_DAY = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


def furnish(tenant: Tenant) -> str:
    """Makes one of everything and returns the id of an assignment at START."""
    admin = tenant.http()
    admin.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s"})
    admin.made("/v1/resources", {"id": "r1", "kind": "PERSON", "displayName": tenant.name})
    rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
    assert admin.put("/v1/resources/r1/schedule", rules).status == 200
    admin.made("/v1/requests", {"id": "q1", "serviceTypeId": "visit"})
    body = {"bookingRequestId": "q1", "resourceIds": ["r1"], "start": START}
    return str(admin.made("/v1/assignments", body)["id"])
