"""Webhooks out of the whole stack: signed, told again until they are taken, never lost unseen."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e.callers import Http, Tenant
from tests.e2e.moments import told
from tests.e2e.patience import eventually
from tests.e2e.shop import EVERY_DAY

# Waits between attempts grow to a day; the test lets them end at once.
HURRY = "UPDATE notify.delivery SET next_at = now() WHERE tenant_id = %s AND state = 'PENDING'"
# The last but one of its attempts has been made.
LATE = "UPDATE notify.delivery SET round_attempt = 9, next_at = now() WHERE id = %s"


class Receiver(ThreadingHTTPServer):
    """Somebody's endpoint: notes what it is sent, answers what it is told to, 204 unless told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def seen(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """What came, once so much has come."""
        eventually(lambda: len(self.got) >= count)
        return self.got


class Taking(BaseHTTPRequestHandler):
    """One call to the endpoint."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.server.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


Endpoint = Callable[..., dict[str, Any]]


@pytest.fixture
def endpoint(tenant: Tenant, receiver: Receiver, pytestconfig: pytest.Config) -> Endpoint:
    """Makes an endpoint for some topics; skips where another's stack may not reach this machine."""

    def made(*topics: str) -> dict[str, Any]:
        body = {"url": receiver.url, "topics": topics}
        answer = tenant.http("admin").post("/v1/webhookEndpoints", body)
        if answer.status == 400 and pytestconfig.getoption("--target"):
            pytest.skip("FAIRSLOT_NOTIFY_WEBHOOK_NETWORKS of this stack leaves out 127.0.0.0/8")
        assert answer.status == 200, answer.raw
        return dict(answer.body)

    return made


@pytest.fixture
def admin(tenant: Tenant) -> Http:
    """Two people who work every day, and one kind of work."""
    caller = tenant.http("admin")
    caller.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s"})
    for name in ("r1", "r2"):
        caller.made("/v1/resources", {"id": name, "kind": "PERSON"})
        rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
        assert caller.put(f"/v1/resources/{name}/schedule", rules).status == 200
    return caller


def next_month() -> datetime:
    """The first day of the month to come."""
    later = datetime.now(UTC).replace(day=1, hour=9, minute=0, second=0, microsecond=0)
    return (later + timedelta(days=32)).replace(day=1)


def assigned(admin: Http, name: str, day: int) -> str:
    """Assigns a new request to r1; returns the assignment's id."""
    start = next_month() + timedelta(days=day)
    admin.made("/v1/requests", {"id": name, "serviceTypeId": "visit", "window": around(start)})
    body = {"bookingRequestId": name, "resourceIds": ["r1"], "start": told(start)}
    return str(admin.made("/v1/assignments", body)["id"])


def around(start: datetime) -> dict[str, str]:
    return {"startTime": told(start), "endTime": told(start + timedelta(hours=2))}


def deliveries(admin: Http, state: str) -> list[Any]:
    return list(admin.get("/v1/webhookDeliveries", state=state).body["deliveries"])


def run(tenant: Tenant, statement: str, value: str) -> None:
    with psycopg.connect(tenant.database_url, autocommit=True) as connection:
        connection.execute(statement, (value,))


def test_an_assignment_is_told_signed_and_again_until_it_is_taken(
    tenant: Tenant, admin: Http, receiver: Receiver, endpoint: Endpoint
) -> None:
    made = endpoint("assignments")
    receiver.statuses += [500, 503]
    name = assigned(admin, "q1", 1)
    for count in (1, 2):
        receiver.seen(count)
        eventually(lambda count=count: len(deliveries(admin, "PENDING")[0]["attempts"]) == count)
        run(tenant, HURRY, tenant.name)
    got = receiver.seen(3)
    secret = Webhook(made["secret"])
    for headers, body in got:
        said = secret.verify(body, headers)
        assert (said["type"], said["data"]["id"]) == ("assignments.assigned", name)
    headers, body = got[0]
    with pytest.raises(WebhookVerificationError):
        secret.verify(body.replace(b"r1", b"r2"), headers)
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    [done] = eventually(lambda: deliveries(admin, "DELIVERED"))
    assert [one["status"] for one in done["attempts"]] == [204, 503, 500]
    assert len(receiver.got) == 3
    [listed] = admin.get("/v1/webhookEndpoints").body["endpoints"]
    assert (listed["id"], listed["secret"]) == (made["id"], "")


def test_a_dead_letter_is_kept_and_sent_again_with_both_secrets(
    tenant: Tenant, admin: Http, receiver: Receiver, endpoint: Endpoint
) -> None:
    made = endpoint("assignments")
    receiver.statuses += [500, 500]
    assigned(admin, "q1", 1)
    [waiting] = eventually(lambda: [x for x in deliveries(admin, "PENDING") if x["attempts"]])
    run(tenant, LATE, waiting["id"])
    [letter] = eventually(lambda: deliveries(admin, "DEAD"))
    assert letter["id"] == waiting["id"]
    assert not letter.get("nextAttemptAt")
    path = f"/v1/webhookEndpoints/{made['id']}:rotateSecret"
    fresh = admin.made(path, {})
    admin.made(f"/v1/webhookDeliveries/{letter['id']}:redeliver", {})
    headers, body = receiver.seen(3)[2]
    for secret in (made["secret"], fresh["secret"]):
        assert Webhook(secret).verify(body, headers)
    assert headers["webhook-id"] == letter["messageId"]
    assert eventually(lambda: deliveries(admin, "DELIVERED"))
    assert deliveries(admin, "DEAD") == []


def test_who_asked_for_fairness_alone_hears_of_drift_alone(
    admin: Http, receiver: Receiver, endpoint: Endpoint
) -> None:
    made = endpoint("fairness")
    for day in range(3):
        assigned(admin, f"q{day}", day)
    headers, body = receiver.seen(1)[0]
    said = Webhook(made["secret"]).verify(body, headers)
    assert said["type"] == "fairness.drifted"
    assert said["data"]["payload"]["withinTolerance"] is False
    assert {json.loads(body)["data"]["topic"] for _, body in receiver.got} == {"fairness"}
