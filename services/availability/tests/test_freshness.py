"""Tokens of what an answer must have seen, from the ledger, the catalog or both: waited for."""

import asyncio

import pytest
from fairslot.availability.v1 import availability_pb2

from kit import position
from services.availability.tests.calls import changed, codes, refused


def questions(team, token):
    """Every question that takes a token, as one caller asks it."""
    month = availability_pb2.GetOfferedDaysRequest(month="2031-03", at_least_as_fresh=token)
    return {
        "SearchSlots": team.search(0, 1, at_least_as_fresh=token),
        "SearchSlotMatrix": team.matrix(0, 1, at_least_as_fresh=token),
        "CheckPlan": team.check("ada", at_least_as_fresh=token),
        "ExplainSlot": team.explain("ada", at_least_as_fresh=token),
        "GetOfferedDays": team("GetOfferedDays", month),
    }


async def stands(team) -> dict[str, int]:
    """How far the answers have come by now."""
    return position.decode((await team.search()).freshness)


@pytest.fixture
async def seen(team, ledger):
    """Where the answers stand after a first event, from which on positions are known."""
    number = await ledger.say(changed("far", resources=("bo",), start=24))
    await team.search(at_least_as_fresh=position.encode({"ledger": number}))
    return await stands(team)


async def still_waiting(tasks):
    await asyncio.sleep(0.15)
    assert [name for name, task in tasks.items() if task.done()] == []


def asked(team, token):
    coroutines = questions(team, position.encode(token)).items()
    return {name: asyncio.create_task(one) for name, one in coroutines}


async def answers(tasks, least):
    found = {name: await task for name, task in tasks.items()}
    for name, reply in found.items():
        fresh = position.decode(reply.freshness)
        assert all(fresh[stream] >= number for stream, number in least.items()), name
    return found


def shows_ada_is_taken(found):
    assert [list(slot.candidates) for slot in found["SearchSlots"].slots] == [["bo"]]
    assert list(found["SearchSlotMatrix"].resource_ids) == ["bo"]
    for name in ("CheckPlan", "ExplainSlot"):
        assert codes(found[name].verdicts[0]) == ["BUSY"]


async def test_what_the_ledger_has_not_said_yet_is_waited_for(team, ledger, seen):
    token = {"ledger": seen["ledger"] + 1}
    tasks = asked(team, token)
    await still_waiting(tasks)
    assert await ledger.say(changed("a1")) == token["ledger"]
    shows_ada_is_taken(await answers(tasks, token))


async def test_what_the_catalog_has_not_got_yet_is_waited_for(team, ledger, seen):
    token = {"catalog": seen["catalog"] + 1}
    tasks = asked(team, token)
    await still_waiting(tasks)
    await team.resource("cy")
    await answers(tasks, token)


async def test_both_are_waited_for_whichever_comes_first(team, ledger, seen):
    token = {"ledger": seen["ledger"] + 1, "catalog": seen["catalog"] + 1}
    tasks = asked(team, token)
    await ledger.say(changed("a1"))
    await still_waiting(tasks)
    await team.resource("cy")
    shows_ada_is_taken(await answers(tasks, token))
    tasks = asked(team, {name: number + 1 for name, number in token.items()})
    await team.resource("di")
    await still_waiting(tasks)
    await ledger.say(changed("a1", 2, state="CANCELLED"))
    found = await answers(tasks, token)
    assert found["CheckPlan"].verdicts[0].free


async def test_what_never_comes_is_refused_at_the_deadline_and_in_words(team, seen):
    team.seconds = 0.6
    began = asyncio.get_running_loop().time()
    for stream in ("ledger", "catalog"):
        token = position.encode({**seen, stream: seen[stream] + 1_000})
        faults = await asyncio.gather(*map(refused, questions(team, token).values()))
        assert {fault.reason for fault in faults} <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    # Nobody was sent away before the time was up.
    assert asyncio.get_running_loop().time() - began > 1.0
    # The service itself is well.
    team.seconds = 5.0
    assert await stands(team) == seen


async def test_a_token_that_was_seen_long_ago_costs_nobody_a_wait(team, seen):
    tasks = asked(team, {"ledger": 1, "catalog": 1})
    await answers(tasks, seen)
