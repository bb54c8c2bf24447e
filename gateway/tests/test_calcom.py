"""Cal.com's webhooks: what is verified, how a body is read, and what the catalog makes of it."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain import Happening, Known
from gateway.rules import FINAL_REVISION, Unreadable, booking_of, signed_by, subject_of
from gateway.tests.calcom import NOW, body, signature


def test_a_signature_is_of_the_raw_body_by_either_secret():
    raw = body("BOOKING_CREATED")
    assert signed_by(["new", "old"], raw, signature(raw, "new"))
    assert signed_by(["new", "old"], raw, signature(raw, "old"))
    assert signed_by(["new"], raw, signature(raw, "new").upper())
    # The same content in other bytes is another body.
    assert not signed_by(
        ["new"], json.dumps(json.loads(raw), indent=1).encode(), signature(raw, "new")
    )


@pytest.mark.parametrize("given", ["", "no-secret-provided", "0" * 64, "rubbish", "é"])
def test_what_is_no_signature_verifies_with_no_secret(given):
    raw = body("BOOKING_CREATED")
    assert not signed_by(["new", "", "no-secret-provided"], raw, given)
    empty = hmac.new(b"", raw, hashlib.sha256).hexdigest()
    assert not signed_by([""], raw, empty)


def test_a_created_booking_is_read():
    told = booking_of(body("BOOKING_CREATED"), now=NOW)
    assert (told.happening, told.uid) == (Happening.CREATED, "u1")
    assert told.start == datetime(2027, 3, 1, 10, tzinfo=UTC)
    assert told.event_type_keys[:2] == ("calcom:7", "calcom:visit")
    assert told.users == (("ada@example.com", "ada", "12"),)


def test_hosts_of_a_team_are_read_and_named_once():
    ada = {"email": "ADA@example.com", "username": "ada", "id": 12}
    bo = {"email": "bo@example.com"}
    told = booking_of(body("BOOKING_CREATED", team={"members": [ada, bo]}), now=NOW)
    assert [names[0] for names in told.users] == ["ada@example.com", "bo@example.com"]


def test_revisions_rise_with_the_sequence_then_with_the_moment():
    def revision(**more):
        return booking_of(body("BOOKING_CREATED", **more), now=NOW).revision

    later = (NOW + timedelta(seconds=1)).isoformat()
    assert revision(updatedAt=later) > revision()
    assert revision(iCalSequence=1) > revision(iCalSequence=0, updatedAt=later)
    assert revision(iCalSequence=10**12) <= FINAL_REVISION < 2**63


def test_a_rescheduled_booking_names_the_one_it_replaces():
    told = booking_of(body("BOOKING_RESCHEDULED", uid="u2", rescheduleUid="u1"), now=NOW)
    assert (told.uid, told.replaced_uid) == ("u2", "u1")


def test_a_cancelled_booking_needs_no_time_and_others_change_nothing():
    told = booking_of(body("BOOKING_CANCELLED", startTime=None, endTime=None), now=NOW)
    assert (told.happening, told.start) == (Happening.CANCELLED, None)
    assert booking_of(body("MEETING_ENDED", uid=""), now=NOW).happening is Happening.OTHER


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"triggerEvent": "BOOKING_CREATED", "createdAt": 5}',
        body("BOOKING_CREATED", uid=None),
        body("BOOKING_CREATED", uid=["u"]),
        body("BOOKING_CREATED", uid="x" * 300),
        body("BOOKING_CREATED", uid="a\0b"),
        body("BOOKING_CREATED", startTime="2027-03-01T11:00:00Z", endTime="2027-03-01T11:00:00Z"),
        body("BOOKING_CREATED", startTime="2027-03-01T10:00:00"),
        body("BOOKING_CREATED", startTime=None),
        body("BOOKING_CREATED", iCalSequence="many"),
        body("BOOKING_CREATED", organizer="ada"),
        body("BOOKING_CREATED", team={"members": 7}),
        body("BOOKING_CREATED", at=NOW - timedelta(hours=25)),
        body("BOOKING_CREATED", at=NOW + timedelta(minutes=6)),
    ],
)
def test_what_cannot_be_meant_is_said_to_be_unreadable(raw):
    with pytest.raises(Unreadable):
        booking_of(raw, now=NOW)


def test_the_catalog_says_what_a_booking_is():
    known = Known(
        types={"calcom:visit": ("visit", ("boiler",))},
        users={"ada@example.com": ("r1", frozenset({"boiler"})), "bo": ("r2", frozenset())},
    )
    one = subject_of(booking_of(body("BOOKING_CREATED"), now=NOW), known)
    assert (one.service_type_id, one.required_skills) == ("visit", ("boiler",))
    assert (one.resource_ids, one.missing_skills) == (("r1",), ())
    two = booking_of(body("BOOKING_CREATED", organizer={"username": "Bo"}, type="x"), now=NOW)
    assert subject_of(two, known).resource_ids == ("r2",)
    assert subject_of(two, known).service_type_id == ""
    lacks = booking_of(body("BOOKING_CREATED", organizer={"username": "Bo"}), now=NOW)
    assert subject_of(lacks, known).missing_skills == ("boiler",)
