"""Nobody is in two places without the time to get from one to the other."""

import pytest
from fairslot.availability.v1 import availability_pb2, catalog_pb2

from kit import position
from kit.fault import Invalid
from services.availability.domain import Place
from services.availability.rules.intervals import Spans, minutes
from services.availability.rules.travel import StraightLine, mornings
from services.availability.tests.calls import changed, codes, refused

BERLIN, POTSDAM = Place(52.52, 13.405), Place(52.4, 13.06)
# 26.9 km as the crow flies: 41 minutes at 40 km/h.
WAY = 41


def at_place(place: Place) -> dict[str, float]:
    return {"latitude": place.latitude, "longitude": place.longitude}


async def homes(team, place: Place | None, *names: str) -> None:
    for name in names:
        resource = catalog_pb2.Resource(id=name, home=at_place(place) if place else None)
        request = catalog_pb2.UpdateResourceRequest(resource=resource)
        request.update_mask.paths.append("home")
        await team("UpdateResource", request)


def test_a_way_takes_as_long_as_the_crow_needs_rounded_up() -> None:
    assert StraightLine().minutes([BERLIN], [POTSDAM]).tolist() == [WAY]
    assert StraightLine(80).minutes([POTSDAM], [BERLIN]).tolist() == [21]
    assert StraightLine().minutes([BERLIN, BERLIN], [BERLIN, BERLIN]).tolist() == [0, 0]
    assert StraightLine().minutes([], []).tolist() == []
    # Half way round the earth, where the arc is longest.
    far = StraightLine(1000).minutes([Place(0, 0)], [Place(0, 180)]).tolist()
    assert far == [1201]


def test_the_way_from_home_is_made_once_in_each_working_time() -> None:
    worked = Spans(minutes([500, 2000]), minutes([1000, 2500]))
    assert mornings(worked, [], 60) == [(500, 560), (2000, 2060)]
    # After the first job it is that job one comes from.
    assert mornings(worked, [530, 2100], 60) == [(500, 530), (2000, 2060)]
    assert mornings(worked, [500], 60) == [(2000, 2060)]
    assert mornings(worked, [], 0) == []
    assert mornings(worked, [], 9_000) == [(500, 1000), (2000, 2500)]


async def test_a_job_leaves_no_time_for_another_far_away(team, ledger):
    job = changed("a1", start=4)
    job.place.latitude, job.place.longitude = BERLIN.latitude, BERLIN.longitude
    token = position.encode({"ledger": await ledger.say(job)})
    near, far = at_place(BERLIN), at_place(POTSDAM)
    fresh = {"at_least_as_fresh": token, "resource_ids": ["ada"]}
    assert list(await team.starts(**fresh)) == [0, 1, 2, 5, 6, 7]
    assert list(await team.starts(near=near, **fresh)) == [0, 1, 2, 5, 6, 7]
    # From 14:00 it takes until 14:41; the job before the break ends at noon at the latest.
    assert list(await team.starts(near=far, **fresh)) == [0, 1, 2, 6, 7]
    (verdict,) = (await team.check("ada", start=5, place=far)).verdicts
    assert codes(verdict) == ["TRAVEL"]
    assert verdict.obstacles[0].blocking_id == "a1"
    assert (await team.check("ada", start=5, place=near)).verdicts[0].free
    assert (await team.check("ada", start=5, place=far, ignore_assignment_id="a1")).verdicts[0].free
    assert (await team.check("ada", start=5)).verdicts[0].free
    # A faster tenant gets there, if the job begins a little later.
    tenant = catalog_pb2.Tenant(travel_speed_kmh=120)
    await team("UpdateTenant", catalog_pb2.UpdateTenantRequest(tenant=tenant))
    found = await team.check("ada", start=5.25, place=far)
    assert (found.verdicts[0].free, found.travel_speed_kmh) == (True, 120)
    assert codes((await team.check("ada", start=5, place=far)).verdicts[0]) == ["TRAVEL"]


async def test_who_comes_from_home_comes_later_and_is_told_why(team):
    await homes(team, BERLIN, "ada")
    far = at_place(POTSDAM)
    assert list(await team.starts(near=far, resource_ids=["ada"])) == [1, 2, 4, 5, 6, 7]
    assert list(await team.starts(near=far, resource_ids=["bo"])) == [0, 1, 2, 4, 5, 6, 7]
    explained = await team.explain("ada", start=0, place=far)
    assert explained.result == (
        "Ada is not free from Monday 3 March 2031 09:00 to 10:00, UTC, "
        f"because Ada needs {WAY} minutes to get there from home."
    )
    reply = await team.search(0, 1, near=far, resource_ids=["ada"])
    assert reply.result == "Nothing is free: the only resource is without time to travel."


@pytest.mark.parametrize("place", [{"latitude": 91}, {"longitude": -181}])
async def test_a_place_that_is_nowhere_is_refused(team, place):
    assert (await refused(team.search(near=place))).violations[0][0] == "near"
    assert (await refused(team.check("ada", place=place))).violations[0][0] == "place"


async def test_sentences_say_who_is_kept_by_what(team, ledger):
    await team.person("cy", active=False)
    token = position.encode({"ledger": await ledger.say(changed("a1", buffer=0.25))})
    when = "from Monday 3 March 2031 09:00 to 10:00, UTC"
    said = {
        ("bo",): f"Bo is free {when}.",
        ("ada",): (
            f"Ada is not free {when}, because Ada is booked "
            "from Monday 3 March 2031 09:00 to 10:00."
        ),
        ("ada", "bo", "cy"): (
            f"1 of 3 resources is free {when}; of the others, 1 is booked and 1 is switched off."
        ),
        ("ada", "cy"): f"None of 2 resources is free {when}: 1 is booked and 1 is switched off.",
    }
    for names, sentence in said.items():
        found = await team.explain(*names, at_least_as_fresh=token)
        assert found.result == sentence


async def test_ways_are_measured_as_searches_measure_them(team):
    places = [at_place(one) for one in (BERLIN, POTSDAM, BERLIN)]
    request = availability_pb2.MeasureWaysRequest(origins=places[:2], destinations=places)
    assert list((await team("MeasureWays", request)).minutes) == [0, WAY, 0, WAY, 0, WAY]
    nowhere = availability_pb2.MeasureWaysRequest(origins=[{"latitude": 91}], destinations=places)
    assert (await refused(team("MeasureWays", nowhere))).violations[0][0] == "origins"
    many = availability_pb2.MeasureWaysRequest(
        origins=places[:1] * 501, destinations=places[:1] * 500
    )
    assert isinstance(await refused(team("MeasureWays", many)), Invalid)
