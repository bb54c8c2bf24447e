"""The ledger's events reach tables and memory once in effect: twice, late, after restarts."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from kit import position
from services.availability.tests.calls import (
    Ledger,
    caught_up,
    changed,
    codes,
    refused,
    rule,
    served,
)


def rows(database) -> list[tuple]:
    with psycopg.connect(database.admin_url) as connection:
        return connection.execute(
            "SELECT tenant_id, id, version, state FROM availability.allocation ORDER BY 1, 2"
        ).fetchall()


async def seen(caller, number: int, **more) -> list[str]:
    token = position.encode({"ledger": number})
    (verdict,) = (await caller.check("ada", at_least_as_fresh=token, **more)).verdicts
    return codes(verdict)


def story(name: str) -> list:
    """One allocation's life: held, assigned, moved to another hour, cancelled."""
    expiry = datetime.now(UTC) + timedelta(hours=1)
    return [
        changed(name, 1, state="HELD", expires_at=expiry),
        changed(name, 2),
        changed(name, 3, start=2),
        changed(name, 4, start=2, state="CANCELLED"),
    ]


async def test_an_event_takes_time_and_gives_it_back(team, ledger, own_database):
    for step, codes_at_nine in zip(story("a1"), (["HELD"], ["BUSY"], [], []), strict=True):
        number = await ledger.say(step)
        assert await seen(team, number) == codes_at_nine
    assert await seen(team, number, start=2) == []
    await caught_up(own_database, number)
    assert rows(own_database) == [("acme", "a1", 4, "CANCELLED")]


async def test_twice_and_out_of_order_makes_no_difference(team, ledger, own_database):
    await team.search()
    shuffled = random.Random(7)
    for name in [f"a{n}" for n in range(20)]:
        steps = story(name)[: shuffled.randint(1, 4)]
        last = steps[-1]
        steps = steps * 2
        shuffled.shuffle(steps)
        number = await ledger.say(*steps)
        expected = [["HELD"], ["BUSY"], [], []][last.version - 1]
        assert await seen(team, number) == expected
        await caught_up(own_database, number)
        state = ["HELD", "ASSIGNED", "ASSIGNED", "CANCELLED"][last.version - 1]
        assert ("acme", name, last.version, state) in rows(own_database)
        await ledger.say(changed(name, 9, state="CANCELLED"))


async def test_memory_says_what_the_tables_say_after_any_events(team, ledger, own_database):
    await team.search()
    shuffled = random.Random(3)
    for round_number in range(10):
        steps = [step for n in range(4) for step in story(f"r{round_number}-{n}")[:3]]
        shuffled.shuffle(steps)
        steps = steps[: shuffled.randint(1, len(steps))]
        number = await ledger.say(*steps)
        followed = {hour: await seen(team, number, start=hour) for hour in (0, 2)}
        newest = {}
        for step in steps:
            if step.version > newest.get(step.id, step).version or step.id not in newest:
                newest[step.id] = step
        for hour in (0, 2):
            expected = sorted(
                "HELD" if one.state == 1 else "BUSY"
                for one in newest.values()
                if (one.version == 3) == (hour == 2)
            )
            assert sorted(followed[hour]) == expected
        await ledger.say(*(changed(name, 9, state="CANCELLED") for name in newest))


async def test_a_write_token_of_the_ledger_is_waited_for(team, ledger):
    token = position.encode({"r/ada": 3})
    waiting = asyncio.create_task(team.check("ada", at_least_as_fresh=token))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await ledger.say(changed("a1", generation=2), changed("a2", start=1, generation=3))
    (verdict,) = (await waiting).verdicts
    assert codes(verdict) == ["BUSY"]


async def test_a_token_of_what_never_comes_is_refused_by_the_deadline(team):
    team.seconds = 0.5
    token = position.encode({"r/ada": 99})
    fault = await refused(team.check("ada", at_least_as_fresh=token))
    assert fault.reason in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


async def test_after_a_restart_nothing_is_missing(own_database, servers, tokens, ledger):
    parts = {"database": own_database, "servers": servers, "tokens": tokens}
    async with served(**parts) as caller:
        ann = caller()
        await ann.service_type("visit")
        await ann.person("ada", rule())
        assert await seen(ann, await ledger.say(changed("a1"))) == ["BUSY"]
    # While nobody listens.
    number = await ledger.say(
        changed("a1", 2, state="CANCELLED"), changed("a2", start=1), changed("a3", start=2)
    )
    async with served(**parts) as caller:
        ann = caller()
        assert [await seen(ann, number, start=hour) for hour in (0, 1, 2)] == [
            [],
            ["BUSY"],
            ["BUSY"],
        ]
    assert [row[1:] for row in rows(own_database)] == [
        ("a1", 2, "CANCELLED"),
        ("a2", 1, "ASSIGNED"),
        ("a3", 1, "ASSIGNED"),
    ]


async def test_a_stream_made_anew_is_read_from_its_beginning(team, ledger, own_database, servers):
    number = await ledger.say(changed("a1"), changed("a2", start=1), changed("a3", start=2))
    assert await seen(team, number) == ["BUSY"]
    await caught_up(own_database, number)
    await ledger.bus.jetstream.delete_stream("ASSIGNMENT")
    # The server removes its files a little later.
    await asyncio.sleep(0.2)
    await ledger.bus.ensure_stream("ASSIGNMENT", ("fairslot.assignment.v1.>",))
    # The relay publishes all of its outbox again, and then what is new.
    await ledger.say(
        changed("a1"),
        changed("a2", start=1),
        changed("a3", start=2),
        changed("a1", 2, state="CANCELLED"),
        changed("a4", start=4, generation=7),
    )
    token = position.encode({"r/ada": 7})
    team.seconds = 20
    (verdict,) = (await team.check("ada", start=4, at_least_as_fresh=token)).verdicts
    assert codes(verdict) == ["BUSY"]
    assert (await team.check("ada")).verdicts[0].free
    async with asyncio.timeout(20):
        while ("acme", "a4", 1, "ASSIGNED") not in rows(own_database):
            await asyncio.sleep(0.02)
    assert ("acme", "a1", 2, "CANCELLED") in rows(own_database)


async def test_an_unreadable_event_holds_back_nobody(team, ledger):
    from kit.event import Event

    bad = Event("fairslot.assignment.v1.AllocationChanged.acme", b"\xff\xff", {})
    await ledger.bus.publish([bad])
    assert await seen(team, await ledger.say(changed("a1"))) == ["BUSY"]


async def test_two_replicas_see_each_others_writes(own_database, servers, tokens, ledger):
    parts = {"database": own_database, "servers": servers, "tokens": tokens}
    async with served(**parts) as one, served(**parts) as other:
        ann, bea = one(), other()
        await ann.service_type("visit", granularity={"seconds": 3600})
        await ann.person("ada", rule())
        assert len((await bea.search()).slots) == 7
        for hours in (4, 5, 6):
            made = await ann.works("ada", rule(end=9 + hours, breaks=()))
            assert len((await bea.search(at_least_as_fresh=made.freshness)).slots) == hours
        # Without a token it comes by itself, soon.
        await ann.works("ada", rule(end=10, breaks=()))
        async with asyncio.timeout(5):
            while len((await bea.search()).slots) != 1:
                await asyncio.sleep(0.02)
        # What the reader saw on one replica it sees on the other.
        number = await ledger.say(changed("a1", start=0))
        token = (await ann.search(at_least_as_fresh=position.encode({"ledger": number}))).freshness
        assert not (await bea.search(at_least_as_fresh=token)).slots


@pytest.mark.parametrize("seed", [1, 2])
async def test_worlds_read_amid_events_miss_none(seed, own_database, servers, tokens, ledger):
    """Events go on while tenants are read for the first time: each ends up as the ledger says."""
    parts = {"database": own_database, "servers": servers, "tokens": tokens}
    order = random.Random(seed)
    tenants = [f"t{n}" for n in range(6)]
    async with served(**parts) as caller:
        for tenant in tenants:
            await caller(tenant).service_type("visit")
            await caller(tenant).person("ada", rule())
    async with served(**parts) as caller:
        speaker = Ledger(ledger.bus)

        async def speak() -> dict[str, int]:
            last = {}
            for n in range(120):
                tenant = order.choice(tenants)
                event = changed(f"a{n}", start=n % 7, generation=n + 1)
                last[tenant] = await speaker.say(event, tenant=tenant)
            return last

        async def ask(tenant: str) -> None:
            for _ in range(10):
                await asyncio.sleep(order.random() * 0.05)
                await caller(tenant).search()

        last, *_ = await asyncio.gather(speak(), *(ask(tenant) for tenant in tenants))
        known = rows(own_database)
        for tenant in tenants:
            found = []
            for hour in range(7):
                found += await seen(caller(tenant), max(last.values()), start=hour)
            await caught_up(own_database, max(last.values()))
            known = [row for row in rows(own_database) if row[0] == tenant]
            assert found.count("BUSY") == len(known)
