"""Every example world loads through the public API in a moment, and twice is as once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import grpc
import pytest

from examples.load import load
from examples.world import NAMES, read
from tests.e2e.callers import Tenant


@pytest.mark.parametrize("name", NAMES)
async def test_a_world_loads_once(
    name: str, new_tenant: Callable[[], Tenant], channel: grpc.aio.Channel
) -> None:
    tenant = new_tenant()
    world, admin, api = read(name, datetime.now(UTC)), tenant.grpc(channel), tenant.http()
    begun = time.monotonic()
    lines: list[str] = []
    assert await load(admin, world, lines.append) > 0
    assert time.monotonic() - begun < 2
    assert len(lines) == 5

    def picture() -> list[bytes]:
        paths = ["/v1/resources", "/v1/serviceTypes", "/v1/requests", "/v1/tenant"]
        paths += [f"/v1/resources/{step.of}/schedule" for step in world.resources]
        answers = [api.get(path) for path in paths]
        assert {answer.status for answer in answers} == {200}
        return [answer.raw for answer in answers]

    before = picture()
    await load(admin, world, lines.append)
    assert picture() == before
    assert len(api.get("/v1/resources").body["resources"]) == len(world.resources)
    assert api.get("/v1/tenant").body["timeZone"] == world.tenant.time_zone


async def test_an_edit_outlives_the_next_load(tenant: Tenant, channel: grpc.aio.Channel) -> None:
    world, admin, api = read("clinic", datetime.now(UTC)), tenant.grpc(channel), tenant.http()
    await load(admin, world, lambda _: None)
    rules = [{"days": ["SATURDAY"], "start": {"hours": 10}, "end": {"hours": 11}}]
    assert api.put("/v1/resources/dr-amara/schedule", {"rules": rules}).status == 200
    # By another caller the keys are new ones, as they are when the old ones are forgotten.
    await load(tenant.grpc(channel, sub="another"), world, lambda _: None)
    [rule] = api.get("/v1/resources/dr-amara/schedule").body["rules"]
    assert rule["days"] == ["SATURDAY"]
