"""Bad input is refused in the contract's words, and nothing of it is stored."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.e2e.bad_input import BAD, HOLD, INVALID, REQUEST, RESOURCE, SEARCH
from tests.e2e.callers import Answer, Http, Tenant
from tests.e2e.shop import EVERY_DAY

# Refusals that a key is spent on are kept under it; everything else must stay as it was.
KEPT_ANSWERS = {"idem", *(f"idem_{ring}" for ring in range(5)), "idempotency"}
# Every minute the ledger seals what it has; whatever was stored would be seen beside its seals.
SEALS = {"audit_seal"}
SEALED = "fairslot.assignment.v1.AuditSealed"
# How long events may take at most.
HEARD_SECONDS = 15.0
SCHEMAS = ("availability", "matching", "assignment", "notify")


def rows_of(tenant: Tenant) -> dict[str, int]:
    """Counts everything that is stored about a tenant, table by table."""
    with psycopg.connect(tenant.database_url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.columns"
            " WHERE column_name = 'tenant_id' AND table_schema = ANY (%s)",
            (list(SCHEMAS),),
        ).fetchall()
        counts = {}
        for schema, table in tables:
            if table in KEPT_ANSWERS | SEALS:
                continue
            count = sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(
                sql.Identifier(schema, table)
            )
            if table == "outbox":
                count += sql.SQL(" AND type <> {}").format(sql.Literal(SEALED))
            row = connection.execute(count, (tenant.name,)).fetchone()
            counts[f"{schema}.{table}"] = row[0] if row else 0
    assert counts
    return counts


@pytest.fixture
def shop(tenant: Tenant) -> Tenant:
    """A tenant with one kind of work, one person who does it, and a request."""
    admin = tenant.http()
    admin.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s", "requiredSkills": ["x"]})
    admin.made(
        "/v1/resources",
        {
            "id": "r1",
            "kind": "PERSON",
            "timeZone": "America/New_York",
            "skills": [{"name": "x"}],
            "capacityMax": 4,
        },
    )
    rules = [{"days": EVERY_DAY, "end": {"hours": 24}}]
    assert admin.put("/v1/resources/r1/schedule", {"rules": rules}).status == 200
    admin.made("/v1/requests", {"id": "q1", "serviceTypeId": "visit"})
    until = time.monotonic() + HEARD_SECONDS
    # The ledger hears of the shop's person by events.
    while not rows_of(tenant)["assignment.resource"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    return tenant


@pytest.fixture
def unchanged(shop: Tenant) -> Iterator[Tenant]:
    """The shop, which must hold the same after the test as before."""
    before = rows_of(shop)
    yield shop
    assert rows_of(shop) == before


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_nothing_is_stored(name: str, unchanged: Tenant) -> None:
    path, body, status, reason = BAD[name]
    answer = unchanged.http().post(path, body, key=f"key of {name}")
    assert (answer.status, answer.reason) == (status, reason), answer.raw
    info = answer.detail("google.rpc.ErrorInfo")
    assert info["domain"] == "fairslot"
    assert answer.body["message"]


def test_a_bad_field_is_named(unchanged: Tenant) -> None:
    answer = unchanged.http().post("/v1/requests", {**REQUEST, "partySize": -1})
    [violation] = answer.detail("google.rpc.BadRequest")["fieldViolations"]
    assert "party_size" in violation["field"]
    assert violation["description"]


def refuse_all(tenant: Tenant, http: Http) -> list[Answer]:
    return [
        http.post("/v1/requests", REQUEST),
        http.get("/v1/resources"),
        http.post("/v1/slots:search", SEARCH),
        http.post("/v1/holds", HOLD),
        http.call("GET", "/v1/changes", headers={"accept": "text/event-stream"}),
    ]


def unsigned(tenant: str) -> str:
    def packed(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {
        "iss": "fairslot",
        "aud": "fairslot",
        "sub": "x",
        "tenant": tenant,
        "roles": ["admin"],
        "exp": int(time.time()) + 600,
    }
    return f"{packed({'alg': 'none', 'typ': 'JWT'})}.{packed(claims)}."


@pytest.mark.parametrize(
    "token",
    [
        lambda tenant: None,
        lambda tenant: "",
        lambda tenant: "nonsense",
        lambda tenant: unsigned(tenant.name),
        lambda tenant: tenant.mint(tenant.name, ["admin"], "x", lifetime_seconds=-60),
        lambda tenant: tenant.mint(tenant.name, ["admin"], "x", claims={"aud": "another"}),
        lambda tenant: tenant.mint(tenant.name, ["admin"], "x", claims={"iss": "another"}),
        lambda tenant: tenant.token("admin")[:-8] + "AAAAAAAA",
    ],
    ids=["none", "empty", "nonsense", "unsigned", "expired", "audience", "issuer", "forged"],
)
def test_without_a_good_token_nothing_is_said(
    unchanged: Tenant, token: Callable[[Tenant], str | None]
) -> None:
    for answer in refuse_all(unchanged, Http(unchanged.gateway, token(unchanged))):
        assert answer.status == 401, answer.raw
        assert answer.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("role", "allowed"), [("viewer", set()), ("planner", {"/v1/requests", "/v1/holds"})]
)
def test_a_role_may_do_what_it_may(shop: Tenant, role: str, allowed: set[str]) -> None:
    before = rows_of(shop)
    http = shop.http(role)
    for path, body in {
        "/v1/resources": RESOURCE,
        "/v1/serviceTypes": {"id": "bad", "duration": "600s"},
        "/v1/resources/r1/exceptions": {
            "kind": "CLOSED",
            "date": {"year": 2030, "month": 1, "day": 1},
        },
        "/v1/requests": REQUEST,
        "/v1/holds": HOLD,
    }.items():
        answer = http.post(path, body)
        if path in allowed:
            assert answer.status == 200, answer.raw
        else:
            assert (answer.status, answer.reason) == (403, "PERMISSION_DENIED")
    if not allowed:
        assert rows_of(shop) == before


def test_forged_headers_change_nothing(unchanged: Tenant, new_tenant: Callable[[], Tenant]) -> None:
    other = new_tenant()
    forged = {
        "x-tenant": unchanged.name,
        "x-tenant-id": unchanged.name,
        "x-fairslot-tenant": unchanged.name,
        "fairslot-tenant": unchanged.name,
        "x-user-roles": "admin",
        "x-role": "admin",
        "x-forwarded-user": "admin",
        "x-envoy-original-path": "/v1/tenant",
    }
    listed = other.http().call("GET", "/v1/resources", headers=forged)
    assert (listed.status, listed.body.get("resources", [])) == (200, [])
    denied = unchanged.http("viewer").call("POST", "/v1/requests", REQUEST, headers=forged)
    assert (denied.status, denied.reason) == (403, "PERMISSION_DENIED")
    mine = other.http().call("POST", "/v1/requests", REQUEST, headers=forged)
    assert (mine.status, mine.reason) == (404, "NOT_FOUND")


def test_ten_megabytes_are_refused(unchanged: Tenant) -> None:
    body = json.dumps({**REQUEST, "labels": {"a": "x" * 10_000_000}}).encode()
    answer = unchanged.http().call("POST", "/v1/requests", raw=body)
    assert answer.reason == "PAYLOAD_TOO_LARGE"
    assert answer.status in (413, 429)


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"id": 7'])
def test_what_is_no_json_is_refused(unchanged: Tenant, raw: bytes) -> None:
    answer = unchanged.http().call("POST", "/v1/requests", raw=raw)
    assert (answer.status, answer.reason) == (400, INVALID)


def test_an_unknown_address_is_not_found(unchanged: Tenant) -> None:
    assert unchanged.http().get("/v1/nothing").status == 404
    assert unchanged.http().get("/v1/resources/nobody").reason == "NOT_FOUND"
    assert unchanged.http().get("/v1/assignments/nothing").reason == "NOT_FOUND"
