"""Cal.com as a sender of webhooks, for tests."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)


def body(trigger, *, at=NOW, **changes):
    """Returns the bytes of one webhook; `changes` go over its payload."""
    payload = {
        "type": "visit",
        "eventTypeId": 7,
        "uid": "u1",
        "startTime": "2027-03-01T10:00:00Z",
        "endTime": "2027-03-01T11:00:00Z",
        "organizer": {"id": 12, "email": "ada@example.com", "username": "ada"},
        "attendees": [{"email": "somebody@example.com"}],
        **changes,
    }
    told = {"triggerEvent": trigger, "createdAt": at.isoformat(), "payload": payload}
    return json.dumps(told).encode()


def signature(raw, secret):
    """Returns what Cal.com puts into X-Cal-Signature-256."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
