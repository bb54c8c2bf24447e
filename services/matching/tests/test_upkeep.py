"""What is past its time is forgotten, and nothing else is."""

import uuid
from collections import Counter

import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.matching.store import Upkeep, upkeep

RANKING = """
INSERT INTO matching.ranking (tenant_id, id, at, policy, service_type_id, booking_request_id, pick,
  places, inputs) VALUES (%s, %s, now() - %s::interval, 'v2', 'course', '', '{}', '{}', '')
"""
DECISION = """
INSERT INTO matching.decision (tenant_id, assignment_id, ranking_id, booking_request_id, at,
  resource_ids, start_at) VALUES (%s, %s, %s, '', now() - %s::interval, '{}', now())
"""
PAIR = """
INSERT INTO matching.shadow_pair (tenant_id, ranking_id, at, deciding_policy, other_policy,
  comparison) VALUES (%s, %s, now() - %s::interval, 'v2', 'v1', '{}')
"""
KEY = """
INSERT INTO matching.idem (tenant_id, caller, method, key, request_hash, at)
VALUES (%s, 'me', 'UpdateSettings', %s, '', now() - %s::interval)
"""
EVENT = """
INSERT INTO matching.outbox (tenant_id, aggregate, version, type, payload, at, published)
VALUES (%s, %s, 1, 'a.Type', %s, now() - %s::interval, %s)
"""
SERVICE = """
INSERT INTO matching.service (tenant_id, assignment_id, customer_hash, resource_ids, start_at)
VALUES (%s, %s, 'c1', '{}', now() - %s::interval)
"""


class Kept:
    """Rows of one tenant, some young and some old."""

    def __init__(self, url):
        self.url, self.tenant = url, f"forgets-{uuid.uuid4().hex[:10]}"

    def tell(self, statement, *values):
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, (self.tenant, *values))

    def ranking(self, age, *, decided=""):
        name = str(uuid.uuid4())
        self.tell(RANKING, name, age)
        if decided:
            self.tell(DECISION, uuid.uuid4().hex, name, decided)
        return name

    def left(self):
        found = Counter()
        with psycopg.connect(self.url) as connection:
            for table in upkeep.PAST:
                query = f"SELECT count(*) FROM matching.{table} WHERE tenant_id = %s"
                found[table] = connection.execute(query, (self.tenant,)).fetchone()[0]
        return found


@pytest.fixture
def rows(kept):
    made = Kept(kept.admin_url)
    yield made
    # Events of a type that is none are for no relay that starts later.
    made.tell("DELETE FROM matching.outbox WHERE tenant_id = %s")


async def test_what_is_past_its_time_is_forgotten_and_nothing_else(rows, kept):
    for age in ("71 hours", "95 hours", "97 hours"):
        rows.tell(KEY, age, age)
    for age, published in (("6 days", True), ("8 days", True), ("8 days", False)):
        rows.tell(EVENT, uuid.uuid4().hex, Jsonb({}), age, published)
    for age in ("89 days", "91 days"):
        rows.tell(PAIR, str(uuid.uuid4()), age)
    for age in ("179 days", "181 days"):
        rows.tell(SERVICE, age, age)
    rows.ranking("23 hours")
    rows.ranking("25 hours")
    rows.ranking("399 days", decided="399 days")
    rows.ranking("401 days", decided="401 days")
    await Upkeep(kept.worker_url).forget()
    assert rows.left() == Counter(idem=2, outbox=2, shadow_pair=1, service=1, ranking=2, decision=1)


async def test_more_than_one_statement_takes_is_forgotten_too(rows, kept, monkeypatch):
    monkeypatch.setattr(upkeep, "ROWS_MAX", 2)
    monkeypatch.setattr(upkeep, "STATEMENTS_MAX", 3)
    for number in range(7):
        rows.tell(KEY, str(number), "5 days")
    gone = await Upkeep(kept.worker_url).forget()
    assert gone["idem"] == 6
    assert (await Upkeep(kept.worker_url).forget())["idem"] == 1
