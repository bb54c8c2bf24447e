"""An outside calendar's webhooks through the whole stack: the time is taken, and given back."""

import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.callers import Http, Tenant
from tests.e2e.shop import EVERY_DAY, START

# How long one process may take to hear of what another wrote.
HEARD_SECONDS = 5.0


@pytest.fixture
def demo(stack: Any) -> Tenant:
    """The tenant whose calendar secrets the stack knows."""
    return Tenant("demo", stack.gateway, stack.minter.mint, stack.database_url)


def told(trigger: str, uid: str, host: str, **changes: Any) -> bytes:
    """Returns the bytes of a webhook of Cal.com, of this moment."""
    end = datetime.fromisoformat(START) + timedelta(hours=1)
    payload = {
        "uid": uid,
        "type": "webhook-visit",
        "startTime": START,
        "endTime": end.isoformat(),
        "organizer": {"email": host},
        **changes,
    }
    at = datetime.now(UTC).isoformat()
    return json.dumps({"triggerEvent": trigger, "createdAt": at, "payload": payload}).encode()


def post(gateway: str, raw: bytes, secret: str) -> Any:
    signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"x-cal-signature-256": signature}
    return Http(gateway, None).call("POST", "/webhooks/calcom", raw=raw, headers=headers)


def test_a_booking_elsewhere_takes_the_time_here(stack: Any, demo: Tenant) -> None:
    (secret, *_) = stack.described["calendar_secrets"]["demo"]
    name = f"w-{uuid.uuid4().hex[:8]}"
    host, admin = f"{name}@example.com", demo.http()
    admin.made(
        "/v1/serviceTypes",
        {
            "id": name,
            "duration": "3600s",
            "granularity": "3600s",
            "externalEventTypeKeys": [f"calcom:{name}"],
        },
    )
    labels = {"calendar_email": host}
    admin.made("/v1/resources", {"id": name, "kind": "PERSON", "labels": labels})
    rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
    assert admin.put(f"/v1/resources/{name}/schedule", rules).status == 200

    def free() -> bool:
        end = datetime.fromisoformat(START) + timedelta(hours=1)
        window = {"startTime": START, "endTime": end.isoformat().replace("+00:00", "Z")}
        asked = {"serviceTypeId": name, "window": window, "resourceIds": [name]}
        return bool(admin.made("/v1/slots:search", asked)["slots"])

    def soon(wanted: bool) -> None:
        """A calendar gets no token of freshness, and the next answer may be another process's."""
        until = time.monotonic() + HEARD_SECONDS
        while free() is not wanted:
            assert time.monotonic() < until
            time.sleep(0.02)

    assert free()
    created = told("BOOKING_CREATED", name, host, type=name)
    answers = [post(stack.gateway, created, secret) for _ in range(3)]
    assert [one.body["outcome"] for one in answers] == ["APPLIED", "REPEATED", "REPEATED"]
    soon(False)
    assert post(stack.gateway, created, "another").status == 401
    assert post(stack.gateway, b"x" * 10_000_000, secret).status == 413
    cancelled = told("BOOKING_CANCELLED", name, host, type=name)
    assert post(stack.gateway, cancelled, secret).body["outcome"] == "APPLIED"
    soon(True)
    listed = admin.get("/v1/calendarEvents", pageSize=5).body["events"]
    assert [one["trigger"] for one in listed if one["uid"] == name] == [
        "BOOKING_CANCELLED",
        "BOOKING_CREATED",
    ]
