"""Decisions that need nothing but their arguments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment.app import Settings, limits_of
from services.assignment.domain import Obstacle, Refusal, Verdict
from services.assignment.rules import (
    HoldLimits,
    hold_seconds,
    hold_token,
    obstacles_counted,
    read_token,
    reason_of,
    refusal_of_choice,
    refusal_of_plan,
    secret_hash,
    sentence,
    uuid7,
    window_of,
)

NOW = datetime(2027, 3, 1, tzinfo=UTC)


def verdict(name: str, *codes: str) -> Verdict:
    return Verdict(name, tuple(Obstacle(code) for code in codes))


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 90), (0.001, 60), (60, 60), (75.5, 75.5), (120, 120), (9999, 120)]
)
def test_a_hold_lives_as_asked_within_limits(asked, seconds):
    ttl = None if asked is None else timedelta(seconds=asked)
    assert hold_seconds(ttl, HoldLimits()) == seconds


def test_tenants_may_have_limits_of_their_own():
    settings = Settings(
        database_url="x",
        worker_database_url="x",
        nats_url="x",
        availability_address="x",
        matching_address="x",
        signing_key_path="x",
        live_holds_per_customer=7,
        tenant_limits='{"demo": {"hold_ttl_seconds_min": 2}}',
    )
    usual, own = limits_of(settings)
    assert usual == HoldLimits(live_holds_per_customer=7)
    assert own == {"demo": HoldLimits(ttl_seconds_min=2, live_holds_per_customer=7)}
    wrong = settings.model_copy(update={"tenant_limits": '{"demo": {"hold_ttl": 2}}'})
    with pytest.raises(ValueError, match="hold_ttl"):
        limits_of(wrong)


@given(st.text(), st.text())
def test_a_token_leads_back_to_its_hold_and_to_nothing_else(tenant, hold_id):
    token = hold_token(b"key", tenant=tenant, hold_id=hold_id)
    found, hashed = read_token(token)
    assert found == hold_id
    assert hashed == secret_hash(token.rpartition(".")[2])
    assert read_token(hold_token(b"other", tenant=tenant, hold_id=hold_id))[1] != hashed
    assert read_token(hold_token(b"key", tenant=tenant + "x", hold_id=hold_id))[1] != hashed


@given(st.text())
def test_any_text_can_be_read_as_a_token(text):
    read_token(text)


def test_a_missing_end_is_thirty_days_after_the_start():
    month = timedelta(days=30)
    assert window_of(None, None, now=NOW).end == NOW + month
    later = NOW + timedelta(days=3)
    assert window_of(later, None, now=NOW).end == later + month
    assert window_of(None, later, now=NOW).start == NOW


def test_the_ledgers_own_business_is_left_to_it():
    assert refusal_of_plan([verdict("r1", "BUSY", "HELD"), verdict("r2", "BUFFER")]) is None
    assert refusal_of_plan([]) is None
    refusal = refusal_of_plan([verdict("r1", "BUSY"), verdict("r2", "BUSY", "TIME_OFF")])
    assert refusal == Refusal("NOT_AVAILABLE", {"resource_id": "r2", "obstacles": "TIME_OFF"})


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (["TRAVEL"], "NOT_AVAILABLE"),
        (["HOLIDAY", "PARTY_TOO_SMALL"], "PARTY_TOO_SMALL"),
        (["PARTY_TOO_LARGE", "NOT_QUALIFIED"], "NOT_QUALIFIED"),
    ],
)
def test_the_reason_of_several_obstacles(codes, reason):
    assert reason_of(codes) == reason


def test_where_none_could_be_picked_the_nearest_reason_is_told():
    busy, away = verdict("r1", "BUSY"), verdict("r2", "TIME_OFF")
    unfit, small = verdict("r3", "NOT_QUALIFIED"), verdict("r4", "PARTY_TOO_LARGE", "BUSY")
    assert refusal_of_choice(obstacles_counted([away, busy, unfit])).reason == "SLOT_TAKEN"
    assert refusal_of_choice(obstacles_counted([unfit, away])).reason == "NOT_AVAILABLE"
    assert refusal_of_choice(obstacles_counted([unfit, small])).reason == "PARTY_TOO_LARGE"
    assert refusal_of_choice(obstacles_counted([unfit, unfit])).metadata == {
        "obstacles": "NOT_QUALIFIED:2"
    }
    assert refusal_of_choice(obstacles_counted([])) == Refusal("NO_CANDIDATE")


def test_every_refusal_has_a_sentence():
    taken = {"resource_id": "r1", "start": "9:00", "end": "10:00"}
    assert sentence(Refusal("SLOT_TAKEN", taken)) == "r1 is taken from 9:00 to 10:00"
    away = {"resource_id": "r1", "obstacles": "TIME_OFF", "detail": "on leave"}
    assert sentence(Refusal("NOT_AVAILABLE", away)) == (
        "the plan cannot serve that slot: r1: on leave"
    )
    closed = {"state": "CANCELLED"}
    assert sentence(Refusal("REQUEST_NOT_OPEN", closed)).endswith("it is CANCELLED")
    assert sentence(Refusal("NOT_FOUND")) == "there is no such thing here"


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time_and_are_of_version_seven(one, other, noise):
    first = uuid7(milliseconds=one, random=noise)
    assert UUID(first).version == 7
    assert UUID(first).variant == "specified in RFC 4122"
    if one < other:
        assert first < uuid7(milliseconds=other, random=noise)
