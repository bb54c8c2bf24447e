"""Whatever is sent, the answer is one of the contract: never a bug of ours, nor half a write."""

from __future__ import annotations

import random

import pytest
from fairslot.assignment.v1 import assignment_pb2, request_pb2
from google.protobuf.descriptor import FieldDescriptor

from services.assignment.tests.books import violations

CALLS = 120
TEXTS = (
    "r1", "q1", "visit", "", "\x00", "x" * 5000, "🙂", "\u202e", "../../etc/passwd", "a.b", "%s%n",
    "'; DROP TABLE assignment.audit; --", "Europe/Berlin", "\ufffe", "k1", "0", "-1",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 59, 60, 61, 24, 90, 1_000, 2**31 - 1, -(2**31))
WIDE = (*NUMBERS, 2**40, 2**63 - 1, -(2**63), 1_803_891_600, 1_803_891_660)
REALS = (0.0, 1.5, -90.0, 180.0, 1e308, float("nan"), float("inf"))
MESSAGES = [
    getattr(module, f"{method.name}Request")
    for module in (assignment_pb2, request_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    # What streams is asked for in tests of its own.
    if not method.server_streaming
]
WINDOW = {"start_time": {"seconds": 1_803_859_200}, "end_time": {"seconds": 1_804_464_000}}
# Calls that are right, so that one wrong thing in them gets far.
RIGHT = {
    "PlaceHoldRequest": {"service_type_id": "visit", "start": {"seconds": 1_803_891_600}},
    "AssignRequest": {"booking_request_id": "q1", "start": {"seconds": 1_803_891_600}},
    "CreateRequestRequest": {"request": {"service_type_id": "visit", "window": WINDOW}},
    "GetWorkloadRequest": {"window": WINDOW, "time_zone": "Europe/Berlin"},
    "ListAssignmentsRequest": {"window": WINDOW},
}
BUGS = {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED"}


def value(field: FieldDescriptor, rng: random.Random):
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return rng.choice(TEXTS)
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return rng.choice(REALS)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_INT64:
        return rng.choice(WIDE)
    return rng.choice(NUMBERS)


def fill(message, rng: random.Random, *, share: float, depth: int = 0) -> None:
    """Sets a share of the fields to whatever comes to mind."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() > share:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            getattr(message, field.name).update({rng.choice(TEXTS): rng.choice(TEXTS)})
        elif field.message_type is not None and not field.is_repeated:
            getattr(message, field.name).SetInParent()
            if depth < 5:
                fill(getattr(message, field.name), rng, share=share, depth=depth + 1)
        elif field.is_repeated and field.message_type is not None:
            for _ in range(rng.choice((0, 1, 2))):
                fill(getattr(message, field.name).add(), rng, share=share, depth=depth + 1)
        elif field.is_repeated:
            count = rng.choice((0, 1, 1, 2, 70))
            getattr(message, field.name).extend(value(field, rng) for _ in range(count))
        else:
            setattr(message, field.name, value(field, rng))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.DESCRIPTOR.name)
async def test_nothing_that_is_sent_breaks_anything(caller, ledger_database, world, kind):
    ann = caller(roles=("planner", "admin"))
    rng = random.Random(kind.DESCRIPTOR.name)
    method = kind.DESCRIPTOR.name.removesuffix("Request")
    seen: dict[str, int] = {}
    await ann.want("q1")
    for number in range(CALLS):
        message = kind(**RIGHT.get(kind.DESCRIPTOR.name, {}) if number % 3 else {})
        fill(message, rng, share=0.15 if number % 3 else 0.6)
        found = getattr(ann.ledger, method, None) or getattr(ann.requests, method)
        call = found(message, timeout=5, metadata=[("authorization", f"Bearer {ann.token}")])
        code = (await call.code()).name
        assert code not in BUGS, f"{await call.details()}\n{message}"
        told = "grpc-status-details-bin" in dict(await call.trailing_metadata() or ())
        assert told == (code != "OK"), message
        seen[code] = seen.get(code, 0) + 1
    assert seen.get("INVALID_ARGUMENT", 0) > 0
    assert violations(ledger_database.admin_url) == {}
