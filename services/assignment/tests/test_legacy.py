"""Records of another system: one result a row, twice is once, and fairness can tell them apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from fairslot.assignment.v1 import assignment_pb2 as pb
from google.type.date_pb2 import Date
from google.type.interval_pb2 import Interval

from services.assignment.tests.books import violations
from services.assignment.tests.calls import at, refused, window

IMPORTED, UNCHANGED, REJECTED = (
    pb.LegacyResult.IMPORTED,
    pb.LegacyResult.UNCHANGED,
    pb.LegacyResult.REJECTED,
)
PAST = datetime(2026, 3, 2, 9, tzinfo=UTC)


def span(start: datetime, hours: float = 1) -> Interval:
    found = Interval()
    found.start_time.FromDatetime(start)
    found.end_time.FromDatetime(start + timedelta(hours=hours))
    return found


def record(name: str, *resources: str, slot: Interval | None = None, **more) -> pb.LegacyRecord:
    return pb.LegacyRecord(
        legacy_id=name,
        resource_ids=resources or ["r1"],
        service_type_id=more.pop("service_type_id", "visit"),
        slot=slot or span(PAST),
        **more,
    )


RECORDS = [
    record("b1", reason="as it was"),
    record("b2", "r1", "r2", slot=span(at(0)), party_size=6),
    record("b3", "r2", state=pb.Assignment.CANCELLED),
    record("b4", slot=span(PAST + timedelta(minutes=30))),
    record("b5", "r9"),
    record("b6", service_type_id="dance"),
    record("b7", slot=span(PAST, hours=-1)),
    record("b8", slot=span(PAST, hours=24 * 40)),
    record("b1", reason="as it was"),
    record("b1", reason="otherwise"),
]


async def imported(caller, records=RECORDS, **more) -> pb.ImportLegacyResponse:
    admin = caller(roles=("admin",), sub="root")
    return await admin("ImportLegacy", pb.ImportLegacyRequest(records=records, **more))


def outcomes(answer: pb.ImportLegacyResponse) -> list[tuple[str, int, str]]:
    assert [result.row for result in answer.results] == list(range(len(answer.results)))
    return [(result.legacy_id, result.outcome, result.reason) for result in answer.results]


async def test_each_record_has_a_result_and_twice_changes_nothing(ann, caller, ledger_database):
    said = await imported(caller, dry_run=True, cutover_date=Date(year=2026, month=11, day=1))
    expected = [
        ("b1", IMPORTED, ""),
        ("b2", IMPORTED, ""),
        ("b3", IMPORTED, ""),
        ("b4", REJECTED, "SLOT_TAKEN"),
        ("b5", REJECTED, "NOT_FOUND"),
        ("b6", REJECTED, "NOT_FOUND"),
        ("b7", REJECTED, "WINDOW_INVALID"),
        ("b8", REJECTED, "INVALID_ARGUMENT"),
        ("b1", UNCHANGED, ""),
        ("b1", REJECTED, "ALREADY_EXISTS"),
    ]
    assert outcomes(said) == expected
    assert all(result.detail for result in said.results if result.outcome == REJECTED)
    # It was only said.
    before = rows(ledger_database)
    assert before["allocation"] == before["outbox"] == before["audit"] == 0
    listed = await ann("ListAssignments", pb.ListAssignmentsRequest())
    assert not listed.assignments

    done = await imported(caller, cutover_date=Date(year=2026, month=11, day=1))
    assert outcomes(done) == expected
    assert (done.imported, done.unchanged, done.rejected) == (3, 1, 6)
    assert done.cutover_date == Date(year=2026, month=11, day=1)
    after = rows(ledger_database)
    again = await imported(caller)
    assert (again.imported, again.unchanged, again.rejected) == (0, 4, 6)
    assert again.cutover_date == done.cutover_date
    assert rows(ledger_database) == after
    assert violations(ledger_database.admin_url) == {}


async def test_legacy_records_take_time_and_are_marked(ann, caller, ledger_database):
    await imported(caller, cutover_date=Date(year=2026, month=11, day=1))
    past = await ann.get("legacy:b1")
    assert (past.state, past.legacy, past.assignment_reason) == (
        pb.Assignment.COMPLETED,
        True,
        "as it was",
    )
    to_come = await ann.get("legacy:b2")
    assert (to_come.state, to_come.legacy, to_come.party_size) == (
        pb.Assignment.ASSIGNED,
        True,
        6,
    )
    assert (await refused(ann.hold("r2", alternatives=0))).reason == "SLOT_TAKEN"
    made = await ann.assign((await ann.want()).id, "r1", start=at(4), reason="ours")
    assert not made.legacy
    asked = pb.GetWorkloadRequest(window=window(0, 10), time_zone="UTC")
    load = await ann("GetWorkload", asked)
    by_resource = {
        load.resource_ids[i]: (bookings, legacy)
        for i, bookings, legacy in zip(
            load.resource_indexes, load.bookings, load.legacy, strict=True
        )
    }
    assert by_resource == {"r1": (2, 1), "r2": (1, 1)}
    assert load.cutover_date == Date(year=2026, month=11, day=1)
    # It is an assignment like any other from then on.
    moved = await ann.reassign("legacy:b2", "r2", "r3", reason="r1 is ill")
    assert moved.legacy
    assert violations(ledger_database.admin_url) == {}


async def test_an_import_is_answered_once_per_key_and_only_to_admins(ann, caller):
    first = await imported(caller, RECORDS[:3], request_id="k1")
    assert await imported(caller, RECORDS[:3], request_id="k1") == first
    assert first.imported == 3
    fault = await refused(ann("ImportLegacy", pb.ImportLegacyRequest(records=RECORDS[:1])))
    assert fault.reason == "PERMISSION_DENIED"


def rows(database) -> dict[str, int]:
    with psycopg.connect(database.admin_url) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM assignment.{table}").fetchone()[0]
            for table in ("allocation", "claim", "outbox", "audit", "cutover")
        }
