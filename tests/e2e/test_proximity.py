"""Who has the shortest way is preferred: from the last job's end, or from home."""

from datetime import UTC, datetime, timedelta

from tests.e2e.callers import Tenant
from tests.e2e.moments import read, span, told
from tests.e2e.shop import EVERY_DAY

START = (datetime.now(UTC) + timedelta(days=7)).replace(hour=8, minute=0, second=0, microsecond=0)
# Twenty kilometres apart, half an hour at the usual speed.
HERE = {"latitude": 52.5, "longitude": 13.4}
NORTH = {"latitude": 52.68, "longitude": 13.4}


def test_the_way_counts_from_home_and_then_from_the_last_job(tenant: Tenant) -> None:
    admin = tenant.http()
    admin.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s", "granularity": "3600s"})
    for name, home in (("near", HERE), ("far", NORTH)):
        admin.made("/v1/resources", {"id": name, "kind": "PERSON", "home": home})
        rules = {
            "rules": [{"days": EVERY_DAY, "start": {"hours": 6}, "end": {"hours": 20}}],
        }
        assert admin.put(f"/v1/resources/{name}/schedule", rules).status == 200

    def ways(hour: int, freshness: str = "") -> dict[str, int]:
        begin = START + timedelta(hours=hour)
        ranked = admin.made(
            "/v1/candidates:rank",
            {
                "request": {"serviceTypeId": "visit", "place": HERE, "window": span(begin, 60)},
                "atLeastAsFresh": freshness,
            },
        )
        return {
            one["resourceIds"][0]: term.get("points", 0)
            for one in ranked["candidates"]
            for term in one["terms"]
            if term["rule"] == "proximity"
        }

    # All points without a way, half of them for half an hour.
    assert ways(4) == {"near": 25, "far": 12}
    window = span(START - timedelta(hours=1), 300)
    admin.made(
        "/v1/requests", {"id": "q1", "serviceTypeId": "visit", "place": NORTH, "window": window}
    )
    made = admin.made(
        "/v1/assignments",
        {
            "bookingRequestId": "q1",
            "resourceIds": ["near"],
            "start": told(START),
            "reason": "a job in the north",
        },
    )
    assert ways(4, made["freshness"]) == {"near": 12, "far": 12}


def test_a_batch_leaves_the_time_to_travel(tenant: Tenant) -> None:
    admin = tenant.http()
    admin.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s", "granularity": "3600s"})
    admin.made("/v1/resources", {"id": "only", "kind": "PERSON"})
    rules = {"rules": [{"days": EVERY_DAY, "start": {"hours": 6}, "end": {"hours": 20}}]}
    assert admin.put("/v1/resources/only/schedule", rules).status == 200
    for name, place in (("q1", HERE), ("q2", NORTH), ("q3", HERE)):
        wish = {"id": name, "serviceTypeId": "visit", "place": place, "window": span(START, 240)}
        admin.made("/v1/requests", wish)
    body = {"bookingRequestIds": ["q1", "q2", "q3"], "apply": True, "timeBudget": "2s"}
    said = admin.post("/v1/batches:plan", body).lines
    items = {one["item"]["bookingRequestId"]: one["item"] for one in said if "item" in one}
    starts = {name: read(one["candidate"]["start"]) for name, one in items.items()}
    # Four hours: two visits here, the way of half an hour, and one in the north.
    assert abs(starts["q1"] - starts["q3"]) == timedelta(hours=1)
    assert min(abs(starts["q2"] - starts[name]) for name in ("q1", "q3")) == timedelta(hours=2)
    # All of it stood at the first attempt: the ledger checks ways too.
    assert (said[-1]["summary"]["assigned"], said[-1]["summary"].get("conflicts", 0)) == (3, 0)
