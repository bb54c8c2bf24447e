"""Questions that cannot be meant are refused with the reason of the contract."""

import pytest

from services.availability.tests.calls import refused, window


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"window": window(1, 0)}, "WINDOW_INVALID"),
        ({"window": window(1, 1)}, "WINDOW_INVALID"),
        ({"time_zone": "Mars/X"}, "INVALID_ARGUMENT"),
        ({"party_size": -1}, "INVALID_ARGUMENT"),
        ({"duration": {"seconds": 90}}, "INVALID_ARGUMENT"),
        ({"service_type_id": "no"}, "NOT_FOUND"),
        ({"resource_ids": ["no"]}, "NOT_FOUND"),
        ({"page_token": "no"}, "INVALID_ARGUMENT"),
        ({"at_least_as_fresh": "no"}, "INVALID_ARGUMENT"),
    ],
)
async def test_bad_questions_are_refused(team, more, reason):
    assert (await refused(team.search(**more))).reason == reason


async def test_a_slot_within_a_minute_is_refused(team):
    assert (await refused(team.check("ada", start=1 / 7200))).reason == "INVALID_ARGUMENT"
    assert (await refused(team.check("no"))).reason == "NOT_FOUND"


async def test_other_tenants_things_are_not_there(caller, team):
    other = caller("rival")
    assert (await refused(other.search())).reason == "NOT_FOUND"
    await other.service_type("visit")
    assert not (await other.search()).slots
    assert (await refused(other.check("ada"))).reason == "NOT_FOUND"
