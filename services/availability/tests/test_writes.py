"""Writes of the catalog: once per key, refused when stale, in one transaction with their event."""

import asyncio

import psycopg
from fairslot.availability.v1 import catalog_pb2, events_pb2, schedule_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict

from kit import position
from services.availability.senders import encode
from services.availability.tests.calls import (
    at,
    caught_up,
    changed,
    minutes,
    refused,
    rule,
    stamp,
    window,
)


async def test_a_resource_comes_back_as_it_went_in(ann):
    sent = catalog_pb2.Resource(
        id="ada",
        display_name="Ada",
        kind="PERSON",
        active=True,
        time_zone="Europe/Berlin",
        skills=[
            catalog_pb2.Skill(name="gas", level=3, valid_until=stamp(at(1))),
            catalog_pb2.Skill(name="boiler"),
        ],
        priority=-2,
        capacity_min=1,
        capacity_max=4,
        zone="north",
        movable=True,
        adjacent_resource_ids=["bo", "cy"],
        home={"latitude": 52.5, "longitude": 13.4},
        joined_on={"year": 2030, "month": 2, "day": 28},
        labels={"team": "a"},
        limits={"per_day": 3, "per_week": 9, "minutes_per_day": 400},
    )
    made = (await ann("CreateResource", catalog_pb2.CreateResourceRequest(resource=sent))).resource
    assert position.decode(made.freshness) == {"catalog": 1}
    found = (await ann("GetResource", catalog_pb2.GetResourceRequest(id="ada"))).resource
    made.freshness = ""
    assert found == made
    sent.etag = "1"
    assert found == sent


async def test_a_service_type_comes_back_as_it_went_in(ann):
    sent = catalog_pb2.ServiceType(
        id="visit",
        display_name="Visit",
        duration=minutes(90),
        granularity=minutes(35),
        grid_anchor="WINDOW_START",
        skill_requirements=[catalog_pb2.RequiredSkill(name="gas", level_min=2)],
        required_skills=["boiler"],
        buffer_before=minutes(5),
        buffer_after=minutes(10),
        min_notice={"seconds": 90},
        max_horizon={"seconds": 86400},
        labels={"a": "b"},
        merge_policy="MERGE_ALLOWED",
        merge_size_max=3,
        seat_loss_per_joint=1,
        protected=True,
        impact=70,
        external_event_type_keys=["calcom:1"],
    )
    request = catalog_pb2.CreateServiceTypeRequest(service_type=sent)
    made = (await ann("CreateServiceType", request)).service_type
    found = (
        await ann("GetServiceType", catalog_pb2.GetServiceTypeRequest(id="visit"))
    ).service_type
    made.freshness = ""
    assert found == made
    sent.etag = "1"
    assert found == sent


async def test_the_server_makes_ids_where_the_client_makes_none(ann):
    made = [await ann.resource("") for _ in range(3)]
    assert len({one.id for one in made}) == 3
    assert sorted(one.id for one in made) == [one.id for one in made]
    assert all(one.id[14] == "7" for one in made)


async def test_the_same_key_makes_one_thing_however_often_it_is_sent(ann):
    replies = await asyncio.gather(*(ann.resource("", key="k1") for _ in range(8)))
    assert len({one.SerializeToString() for one in replies}) == 1
    listed = await ann("ListResources", catalog_pb2.ListResourcesRequest())
    assert [one.id for one in listed.resources] == [replies[0].id]
    fault = await refused(ann.resource("other", key="k1"))
    assert fault.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_keys_of_two_callers_are_two_keys(caller):
    one, other = caller(subject="ann"), caller(subject="bea")
    assert (await one.resource("", key="k")).id != (await other.resource("", key="k")).id


async def test_a_taken_id_is_refused_and_a_batch_is_made_whole_or_not_at_all(ann):
    await ann.resource("ada")
    assert (await refused(ann.resource("ada"))).reason == "ALREADY_EXISTS"
    batch = catalog_pb2.BatchCreateResourcesRequest(
        resources=[catalog_pb2.Resource(id=name, kind="TABLE") for name in ("t1", "ada", "t2")]
    )
    assert (await refused(ann("BatchCreateResources", batch))).reason == "ALREADY_EXISTS"
    listed = await ann("ListResources", catalog_pb2.ListResourcesRequest())
    assert [one.id for one in listed.resources] == ["ada"]
    del batch.resources[1]
    made = await ann("BatchCreateResources", batch)
    assert [one.id for one in made.resources] == ["t1", "t2"]
    assert position.decode(made.freshness) == {"catalog": 2}


async def test_lists_come_in_pages_and_by_what_is_asked(ann):
    for name, zone in (("c", "n"), ("a", "s"), ("b", "n")):
        await ann.resource(name, zone=zone, skills=[{"name": zone}])
    names, token = [], ""
    while True:
        reply = await ann(
            "ListResources", catalog_pb2.ListResourcesRequest(page_size=2, page_token=token)
        )
        names.append([one.id for one in reply.resources])
        token = reply.next_page_token
        if not token:
            break
    assert names == [["a", "b"], ["c"]]
    for more in ({"zone": "n"}, {"skill": "n"}):
        reply = await ann("ListResources", catalog_pb2.ListResourcesRequest(**more))
        assert [one.id for one in reply.resources] == ["b", "c"]
    reply = await ann("ListResources", catalog_pb2.ListResourcesRequest(kind="ROOM"))
    assert not reply.resources


async def test_updates_replace_all_or_what_the_mask_names_and_stale_ones_are_refused(ann):
    made = await ann.resource("ada", display_name="Ada", priority=3)

    async def update(mask=(), kind="PERSON", **more):
        wanted = catalog_pb2.Resource(id="ada", kind=kind, **more)
        request = catalog_pb2.UpdateResourceRequest(resource=wanted)
        if mask:
            request.update_mask.CopyFrom(FieldMask(paths=mask))
        return (await ann("UpdateResource", request)).resource

    part = await update(["display_name"], display_name="Ada L.", etag=made.etag)
    assert (part.display_name, part.priority, part.etag) == ("Ada L.", 3, "2")
    fault = await refused(update(["priority"], priority=1, etag=made.etag))
    assert (fault.reason, fault.metadata["etag"]) == ("STALE_ETAG", "2")
    whole = await update(kind="TABLE")
    assert (whole.display_name, whole.priority, whole.active) == ("", 0, True)
    assert (await refused(update(["colour"]))).reason == "INVALID_ARGUMENT"
    assert (await refused(update(time_zone="No/Where"))).violations


async def test_of_racing_updates_with_one_etag_one_wins(team):
    (found,) = (await team("ListServiceTypes", catalog_pb2.ListServiceTypesRequest())).service_types

    async def update(number: int):
        wanted = catalog_pb2.ServiceType(id="visit", duration=minutes(number), etag=found.etag)
        return await team(
            "UpdateServiceType", catalog_pb2.UpdateServiceTypeRequest(service_type=wanted)
        )

    replies = await asyncio.gather(*(update(30 + n) for n in range(6)), return_exceptions=True)
    lost = [one for one in replies if isinstance(one, Exception)]
    assert len(lost) == 5
    assert {one.reason for one in lost} == {"STALE_ETAG"}


async def test_a_schedule_is_edited_under_its_own_etag(team):
    request = schedule_pb2.SetWeeklyScheduleRequest(
        resource_id="ada", rules=[rule(start=22, end=6, breaks=((2, 3),))], etag="1"
    )
    reply = (await team("SetWeeklySchedule", request)).schedule
    assert reply.etag == "2"
    assert (await refused(team("SetWeeklySchedule", request))).reason == "STALE_ETAG"
    hours = await team.starts(0, 24, resource_ids=["ada"])
    assert list(hours) == [13, 14, 15, 16, 18, 19, 20]


async def test_what_is_needed_is_not_deleted(team, ledger, own_database):
    now = at(0)
    await ledger.say(changed("a1", state="HELD", expires_at=now))
    token = {"ledger": await ledger.say(changed("a1", 2))}
    # A process that begins only now first waits for the tables.
    await caught_up(own_database, token["ledger"])
    request = catalog_pb2.DeleteResourceRequest(id="ada")
    fault = await refused(team("DeleteResource", request))
    assert (fault.reason, fault.metadata["allocation_id"]) == ("IN_USE", "a1")
    await team("DeleteResource", catalog_pb2.DeleteResourceRequest(id="bo"))
    assert (await refused(team.check("bo"))).reason == "NOT_FOUND"
    assert (await refused(team.works("bo"))).reason == "NOT_FOUND"


async def test_outside_events_in_any_order_and_twice_come_to_the_same(team):
    def upsert(uid, sequence, first):
        event = schedule_pb2.ExternalEvent(
            uid=uid, sequence=sequence, interval=window(first, first + 1)
        )
        return "UpsertExternalBusy", schedule_pb2.UpsertExternalBusyRequest(
            resource_id="bo", events=[event]
        )

    def delete(uid, sequence):
        return "DeleteExternalBusy", schedule_pb2.DeleteExternalBusyRequest(
            resource_id="bo", uid=uid, sequence=sequence
        )

    # The later sequences come first, and everything comes twice.
    steps = [
        delete("a", 3), upsert("a", 2, 0), upsert("a", 1, 1),
        upsert("b", 2, 5), upsert("b", 1, 4), upsert("b", 2, 5),
        upsert("c", 1, 6), delete("c", 1), upsert("c", 1, 6), upsert("c", 2, 7),
    ]  # fmt: skip
    applied = []
    for name, request in steps * 2:
        applied.append((await team(name, request)).applied)
    assert [int(one) for one in applied] == [1, 0, 0, 1, 0, 0, 1, 1, 0, 1] + [0] * 10
    assert list(await team.starts(resource_ids=["bo"])) == [0, 1, 2, 4, 6]


async def test_local_leave_is_read_by_the_resources_clocks(ann):
    await ann.person("ada", time_zone="America/New_York")

    async def leave(day: int, hour: int):
        local = {"year": 2027, "month": 11, "day": day, "hours": hour, "minutes": 30}
        request = schedule_pb2.CreateTimeOffRequest(resource_id="ada")
        ParseDict(
            {"timeOff": {"localInterval": {"start": local, "end": {**local, "hours": 9}}}}, request
        )
        return (await ann("CreateTimeOff", request)).time_off

    fault = await refused(leave(7, 1))
    assert fault.reason == "AMBIGUOUS_LOCAL_TIME"
    made = await leave(8, 1)
    assert made.interval.start_time.ToJsonString() == "2027-11-08T06:30:00Z"


async def test_each_change_leaves_one_event_and_revisions_have_no_gaps(team, own_database):
    await asyncio.gather(*(team.resource(f"r{n}") for n in range(12)))
    await refused(team.resource("r0"))
    with psycopg.connect(own_database.admin_url) as connection:
        rows = connection.execute(
            "SELECT version, type, payload FROM availability.outbox ORDER BY version"
        ).fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    events = [events_pb2.CatalogChanged.FromString(encode(row[1], row[2])) for row in rows]
    assert [one.revision for one in events] == [row[0] for row in rows]
    assert events[0].service_type.id == "visit"
    assert events[1].resource.display_name == "Ada"
    assert events[1].actor == "ann"
    assert sorted(one.ids[0] for one in events[-12:]) == sorted(f"r{n}" for n in range(12))


async def test_settings_of_the_tenant_move_its_days(team):
    wanted = catalog_pb2.Tenant(display_name="Acme", time_zone="Asia/Tokyo")
    request = catalog_pb2.UpdateTenantRequest(tenant=wanted)
    made = (await team("UpdateTenant", request)).tenant
    assert (made.id, made.time_zone, made.etag) == ("acme", "Asia/Tokyo", "1")
    assert (
        await team("GetTenant", catalog_pb2.GetTenantRequest())
    ).tenant.time_zone == "Asia/Tokyo"
    assert (await team.search()).query.time_zone == "Asia/Tokyo"
    await team.person("cy", time_zone="")
    assert list(await team.starts(-24, 24, resource_ids=["cy"]))[:2] == [-9, -8]
    request.tenant.time_zone = "No/Where"
    assert (await refused(team("UpdateTenant", request))).violations[0][0] == "time_zone"
