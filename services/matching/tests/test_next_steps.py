"""What a person could do where nobody can serve."""

from dataclasses import replace

from services.matching.domain import NextStep, Question, Rejection
from services.matching.rules.merges import Terms
from services.matching.rules.next_steps import Dead, Later, advice, next_steps
from services.matching.tests.team import rank
from services.matching.tests.worlds import World, at, table

EVENING = at("2027-03-01T18:00")


def dead(**changes) -> Dead:
    plain = {
        "question": Question("dinner", party_size=6),
        "window": (EVENING, EVENING + 60),
        "duration": 60,
        "rejections": (),
        "first_clock": "19:00",
        "may_merge": True,
    }
    return Dead(**(plain | changes))


def test_what_is_taken_could_be_freed():
    rejections = (Rejection("t4", ("BUSY",)), Rejection("t5", ("HELD", "PARTY_TOO_LARGE")))
    (free,) = next_steps(dead(rejections=rejections))
    assert free == NextStep("FREE_RESOURCE", "Free t4 at 19:00.", ("t4",), (EVENING, EVENING + 60))
    long = next_steps(dead(rejections=rejections, window=(EVENING, EVENING + 600)))
    assert long[0].sentence == "Free t4 in the window."
    assert long[0].slot is None


def test_a_longer_window_would_do():
    later = Later("Table 4", "t4", EVENING + 1440, EVENING + 1500, "Tuesday at 19:00")
    (step,) = next_steps(dead(later=later))
    assert step.sentence == "Extend the window by a day: Table 4 is free on Tuesday at 19:00."
    later = replace(later, start=EVENING + 3000, end=EVENING + 3060)
    assert "by 3 days" in next_steps(dead(later=later))[0].sentence


def test_other_ways_out():
    small = tuple(Rejection(name, ("PARTY_TOO_LARGE",)) for name in ("a", "b"))
    assert [one.kind for one in next_steps(dead(rejections=small))] == ["SPLIT_PARTY"]
    steps = next_steps(dead(rejections=small, may_merge=False))
    assert [one.kind for one in steps] == ["ALLOW_MERGE", "SPLIT_PARTY"]
    unskilled = (Rejection("a", ("NOT_QUALIFIED",)),)
    assert next_steps(dead(rejections=unskilled))[0].sentence == (
        "Give a the skill that is missing."
    )
    asked = Question("dinner", zone="bar")
    steps = next_steps(dead(question=asked, rejections=(Rejection("a", ("WRONG_ZONE",)),)))
    assert steps[0].sentence == "Ask for another zone than bar."
    assert advice(steps) == " You could ask for another zone than bar."
    assert advice(()) == ""


async def test_the_ranking_says_them():
    world = World(
        window=(EVENING, EVENING + 60),
        resources=(table("t4", 6),),
        free={EVENING + 1440: frozenset({"t4"})},
        party_size=6,
        merging=Terms(),
        rejections=(Rejection("t4", ("BUSY",)),),
    )
    ranking, calls = await rank(world)
    assert [one.kind for one in ranking.next_steps] == ["FREE_RESOURCE", "WIDEN_WINDOW"]
    assert ranking.result == (
        "There is no candidate: 1 is taken. You could free t4 at 19:00, or extend the window by a "
        "day: T4 is free on Tuesday 2 March 2027, 19:00 to 20:00 (Europe/Berlin)."
    )
    ranking, calls = await rank(world, max_rejections=0)
    assert ranking.next_steps == ()
    assert len(calls.slots) == 2
