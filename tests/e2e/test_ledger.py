"""The ledger over HTTP: held with its own reason, moved, at risk, assigned by itself, audited."""

import json
from datetime import timedelta

from tests.e2e.moments import read, span, told
from tests.e2e.patience import eventually
from tests.e2e.shop import EVERY_DAY, START

WINDOW = {"startTime": START, "endTime": told(read(START) + timedelta(days=2))}


def furnish(tenant, *resources, **more):
    admin = tenant.http()
    admin.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s", "granularity": "1800s"})
    rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
    for name in resources:
        admin.made("/v1/resources", {"id": name, "kind": "PERSON", "displayName": name, **more})
        assert admin.put(f"/v1/resources/{name}/schedule", rules).status == 200
    return admin


def wanted(admin, name):
    admin.made("/v1/requests", {"id": name, "serviceTypeId": "visit", "window": WINDOW})
    return name


def test_a_hold_confirmed_without_a_reason_keeps_the_ranked_one(tenant):
    admin = furnish(tenant, "r1", "r2")
    held = admin.made("/v1/holds", {"bookingRequestId": wanted(admin, "q1"), "start": START})
    longer = admin.post(f"/v1/holds/{held['token']}:extend", {"ttl": "120s"})
    assert longer.status == 200
    assert read(longer.body["expiresAt"]) > read(held["expiresAt"])
    made = admin.post(f"/v1/holds/{held['token']}:confirm", {})
    assert made.status == 200
    reason = made.body["assignmentReason"]
    assert "matching has no explanation" not in reason
    assert reason


def test_an_assignment_moves_is_completed_and_its_steps_are_told(tenant):
    admin = furnish(tenant, "r1", "r2")
    name = wanted(admin, "q1")
    body = {"bookingRequestId": name, "resourceIds": ["r1"], "start": START, "reason": "first"}
    made = admin.made("/v1/assignments", body)
    path = f"/v1/assignments/{made['id']}"
    half = told(read(START) + timedelta(minutes=30))
    move = {"start": half, "etag": made["etag"]}
    moved = admin.post(f"{path}:reassign", move)
    assert moved.status == 200, moved.raw
    assert (moved.body["start"], moved.body["resourceIds"]) == (half, ["r1"])
    assert "matching has no explanation" not in moved.body["assignmentReason"]
    stale = admin.post(f"{path}:reassign", {**move, "reason": "again"})
    assert (stale.status, stale.reason) == (409, "STALE_ETAG")
    early = admin.post(f"{path}:reassign", {"start": told(read(START) - timedelta(hours=1))})
    assert (early.status, early.reason) == (400, "NOT_AVAILABLE")
    # Its old time is free for others at once.
    free = {
        "serviceTypeId": "visit",
        "resourceIds": ["r1"],
        "start": told(read(half) + timedelta(hours=1)),
    }
    assert admin.post("/v1/holds", free).status == 200
    assert admin.post(f"{path}:complete", {}).body["state"] == "COMPLETED"
    edited = admin.call("PATCH", f"/v1/requests/{name}", {"labels": {"colour": "blue"}})
    assert (edited.status, edited.reason) == (400, "REQUEST_NOT_OPEN")
    entries = admin.get("/v1/audit", bookingRequestId=name).body["entries"]
    assert [entry["action"] for entry in entries] == ["create", "assign", "reassign", "complete"]
    assert entries[2]["before"]["allocation"]["slot_start"]


def test_leave_puts_an_assignment_at_risk_and_moving_it_helps(tenant):
    admin = furnish(tenant, "r1", "r2")
    body = {"bookingRequestId": wanted(admin, "q1"), "resourceIds": ["r1"], "start": START}
    made = admin.made("/v1/assignments", body)
    leave = {"interval": span(read(START), 24 * 60), "reason": "leave"}
    assert admin.post("/v1/resources/r1/timeOff", leave).status == 200

    def at_risk():
        found = admin.get("/v1/assignments", flag="AT_RISK").body.get("assignments", [])
        return found[0] if found else None

    found = eventually(at_risk)
    assert (found["id"], found["state"], found["flags"]) == (made["id"], "ASSIGNED", ["AT_RISK"])
    assert found["risks"][0]["code"] == "TIME_OFF"
    moved = admin.post(f"/v1/assignments/{made['id']}:reassign", {"resourceIds": ["r2"]})
    assert moved.status == 200
    assert not moved.body.get("flags")
    assert at_risk() is None


def test_what_a_request_asks_for_binds_whoever_assigns_by_hand(tenant):
    admin = furnish(tenant, "r1", "r2")
    admin.made("/v1/requests", {"id": "q1", "serviceTypeId": "visit", "resourceIds": ["r1"]})
    admin.made("/v1/requests", {"id": "q2", "serviceTypeId": "visit", "zone": "north"})
    for name, obstacle in (("q1", "NOT_NAMED"), ("q2", "WRONG_ZONE")):
        body = {"bookingRequestId": name, "resourceIds": ["r2"], "start": START}
        for path in ("/v1/assignments", "/v1/holds"):
            answer = admin.post(path, body)
            assert (answer.status, answer.reason) == (400, "NOT_AVAILABLE")
            assert answer.metadata["obstacles"] == obstacle


def test_limits_hold_for_whoever_books(tenant):
    admin = furnish(tenant, "r1", limits={"perDay": 2})
    answers = []
    for number in range(4):
        body = {
            "bookingRequestId": wanted(admin, f"q{number}"),
            "resourceIds": ["r1"],
            "start": told(read(START) + timedelta(hours=2 * number)),
        }
        answers.append(admin.post("/v1/assignments", body))
    assert [answer.status for answer in answers] == [200, 200, 400, 400]
    assert {answer.reason for answer in answers[2:]} == {"NOT_AVAILABLE"}


def test_many_are_assigned_by_themselves_and_gaps_are_told(tenant):
    admin = furnish(tenant, "r1")
    names = [wanted(admin, f"q{number}") for number in range(3)]
    none = {"id": "q9", "serviceTypeId": "visit", "window": WINDOW, "resourceIds": ["r1"]}
    admin.made("/v1/requests", {**none, "requiredSkills": ["flying"]})
    answer = admin.post("/v1/assignments:autoAssign", {"bookingRequestIds": [*names, "q9"]})
    assert answer.status == 200, answer.raw
    results = {said["bookingRequestId"]: said for said in map(json.loads, answer.raw.splitlines())}
    assert {results[name]["outcome"] for name in names} == {"ASSIGNED"}
    assert all(results[name]["assignment"]["assignmentReason"] for name in names)
    assert results["q9"]["outcome"] == "SKIPPED"
    assert results["q9"]["reasons"][0]["reason"] == "NOT_QUALIFIED"
    [gap] = admin.get("/v1/gaps").body["gaps"]
    assert (gap["request"]["id"], gap["reasons"]) == ("q9", results["q9"]["reasons"])


def test_legacy_records_are_imported_once(tenant):
    admin = furnish(tenant, "r1")
    record = {
        "legacyId": "b1",
        "resourceIds": ["r1"],
        "serviceTypeId": "visit",
        "slot": span(read(START), 60),
    }
    body = {"records": [record], "cutoverDate": {"year": 2026, "month": 1, "day": 1}}
    dry = admin.post("/v1/assignments:importLegacy", {**body, "dryRun": True})
    assert (dry.status, dry.body["imported"]) == (200, 1)
    done = admin.post("/v1/assignments:importLegacy", body)
    assert done.body["results"][0]["outcome"] == "IMPORTED"
    again = admin.post("/v1/assignments:importLegacy", body)
    assert again.body["results"][0]["outcome"] == "UNCHANGED"
    [found] = admin.get("/v1/assignments").body["assignments"]
    assert found["legacy"] is True
