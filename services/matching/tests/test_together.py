"""Matching between the real availability and the real assignment."""

from fairslot.matching.v1 import matching_pb2
from fairslot.type.v1 import type_pb2
from google.type.interval_pb2 import Interval

from services.matching.tests.trainers import local


async def test_a_month_is_shared_as_it_was_offered(team):
    window = Interval(start_time=local("2027-03-01"), end_time=local("2027-04-01"))
    question = matching_pb2.InlineRequest(service_type_id="course", window=window)
    freshness = ""
    for number in range(9):
        reply = await team.rank(request=question, limit=3, at_least_as_fresh=freshness)
        best = reply.candidates[0]
        made = await team.assign(f"q{number}", best)
        freshness = made.freshness
        # Nobody gave a reason, so matching's is kept.
        assert made.assignment_reason.startswith(best.explanation.split(",")[0])
    assert reply.policy == "v2"
    (left_out,) = reply.rejections
    assert left_out.resource_id == "cy"
    assert list(left_out.reasons) == [type_pb2.Obstacle.NOT_QUALIFIED]
    assert "Fairness: a fair share is " in best.explanation
    # March 2027 has 5 Mondays to Wednesdays and 4 Thursdays: 19 days of ada's, 10 of bo's.
    rows = await team.fairness(skill="go")
    assert {name: (row.offered_days, row.committed_days) for name, row in rows.items()} == {
        "ada": (19, 6),
        "bo": (10, 3),
    }
    assert all(row.within_tolerance and row.delivered_days == 0 for row in rows.values())
    everybody = await team.fairness()
    assert list(everybody) == ["ada", "bo", "cy"]
    assert everybody["cy"].committed_days == 0


async def test_the_forecast_comes_true(team):
    window = Interval(start_time=local("2027-03-02"), end_time=local("2027-03-05"))
    question = matching_pb2.InlineRequest(service_type_id="course", window=window)
    first = (await team.rank(request=question)).candidates[0]
    assert "nothing is given in March 2027 yet" in first.explanation
    made = await team.assign("q1", first)
    second = (await team.rank(request=question, at_least_as_fresh=made.freshness)).candidates[0]
    made = await team.assign("q2", second)
    (name,) = second.resource_ids
    row = (await team.fairness(skill="go", at_least_as_fresh=made.freshness))[name]
    side = "within" if row.within_tolerance else "outside"
    assert f"(gap {100 * row.gap:+.1f} points, {side} the tolerance" in second.explanation


async def test_one_slot_without_its_end(team):
    slot = Interval(start_time=local("2027-03-03T09:00"))
    question = matching_pb2.InlineRequest(service_type_id="course")
    reply = await team.rank(request=question, slot=slot)
    assert [list(one.resource_ids) for one in reply.candidates] == [["ada"]]
    assert reply.candidates[0].end == local("2027-03-03T17:00")
    assert {one.resource_id for one in reply.rejections} == {"bo", "cy"}
    reply = await team.rank(request=question, slot=slot, policy="v1", resource_ids=["bo"])
    assert not reply.candidates
    assert reply.result.startswith("There is no candidate: 1 is not at work")
