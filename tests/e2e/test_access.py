"""Every RPC with every kind of token: the contract's answer, and nothing learnt beside it."""

import asyncio
from collections import Counter
from collections.abc import Callable

import grpc
import pytest

from tests.e2e.callers import Tenant
from tests.e2e.questions import Said, empty, methods, naming, roles, said
from tests.e2e.shop import START, furnish

METHODS = methods()
KNOWN = ("viewer", "planner", "admin", "service")
TOGETHER = 16
# What a call may not come to for somebody who may make it.
BROKEN = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
}


@pytest.fixture
def owner(new_tenant: Callable[[], Tenant]) -> Tenant:
    return new_tenant()


async def answers(channel, asked):
    """Makes all these calls, some at a time; returns what came of each in order."""
    room = asyncio.Semaphore(TOGETHER)

    async def one(method, question, token) -> Said:
        async with room:
            return await said(channel, method, question, token)

    return await asyncio.gather(*(one(*call) for call in asked))


async def test_every_call_answers_every_token_as_the_contract_says(
    tenant: Tenant, owner: Tenant, channel: grpc.aio.Channel
) -> None:
    nobody = {
        "no token": None,
        "rubbish": "rubbish",
        "expired": tenant.mint(tenant.name, ["admin"], lifetime_seconds=-60),
        "wrong audience": tenant.mint(tenant.name, ["admin"], claims={"aud": "somebody"}),
        "wrong issuer": tenant.mint(tenant.name, ["admin"], claims={"iss": "somebody"}),
    }
    stranger = {
        "no tenant": tenant.mint(tenant.name, ["admin"], claims={"tenant": None}),
        "unknown role": tenant.mint(tenant.name, ["boss"]),
    }
    known = {role: tenant.token(role) for role in KNOWN}
    calls = [
        (method, kind, token)
        for method in METHODS
        for kind, token in (nobody | stranger | known).items()
    ]
    got = await answers(channel, [(method, empty(method), token) for method, _, token in calls])
    wrong = []
    for (method, kind, _), answer in zip(calls, got, strict=True):
        if kind in nobody:
            right = (answer.code.name, answer.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        elif kind in stranger or kind not in roles(method):
            right = (answer.code.name, answer.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
        else:
            right = answer.code not in BROKEN
        if not right:
            wrong.append((str(method.full_name), kind, answer))
    assert not wrong, "\n".join(map(str, wrong))
    print(f"{len(METHODS)} RPCs x {len(calls) // len(METHODS)} tokens: {len(calls)} right answers")


async def test_what_is_anothers_looks_like_what_is_nowhere(
    tenant: Tenant, owner: Tenant, channel: grpc.aio.Channel
) -> None:
    booked = await asyncio.to_thread(furnish, owner)
    admin = owner.http()
    body = {"serviceTypeId": "visit", "resourceIds": ["r1"], "start": later(START)}
    hold = await asyncio.to_thread(admin.made, "/v1/holds", body)
    there = names(resource="r1", kind="visit", request="q1", booked=booked, hold=hold["token"])
    nowhere = names(resource="x1", kind="xisit", request="x1", booked="x" * 36, hold="x" * 43)
    token = tenant.token("admin")
    asked = [one for one in METHODS if "admin" in roles(one) and not one.server_streaming]
    seen = await answers(channel, [(one, naming(one, there), token) for one in asked])
    unseen = await answers(channel, [(one, naming(one, nowhere), token) for one in asked])
    codes: Counter[str] = Counter()
    for method, one, other in zip(asked, seen, unseen, strict=True):
        codes[one.code.name] += 1
        assert plain(one, there) == plain(other, nowhere), method.full_name
        assert one.code not in BROKEN, (method.full_name, one)
        assert owner.name not in one.message
    assert codes["NOT_FOUND"] >= 12, codes
    # Nothing of it was touched.
    left = await asyncio.to_thread(admin.get, f"/v1/assignments/{booked}")
    assert left.body["state"] == "ASSIGNED"
    held = await asyncio.to_thread(admin.post, f"/v1/holds/{hold['token']}:validate")
    assert held.body["state"] == "HELD"


def later(start: str) -> str:
    """Returns the same time two hours later."""
    return start.replace("T09:", "T11:")


def names(*, resource: str, kind: str, request: str, booked: str, hold: str) -> dict[str, str]:
    """Returns what fields are filled with, by their names or by the end of the RPC's name."""
    return {
        "ServiceType": kind,
        "Resource": resource,
        "Request": request,
        "Assignment": booked,
        "resource_id": resource,
        "service_type_id": kind,
        "booking_request_id": request,
        "assignment_id": booked,
        "hold_token": hold,
        "start": START,
    }


def plain(answer: Said, named: dict[str, str]) -> tuple[str, str, str]:
    """Returns an answer without the names it was asked about."""
    message = answer.message
    for value in sorted({*named.values()}, key=len, reverse=True):
        message = message.replace(value, "*")
    return answer.code.name, answer.reason, message
