"""One key is for one payload: whatever field differs it is another, however it is written it is the
same.
"""

from __future__ import annotations

import random

import pytest
from fairslot.assignment.v1 import assignment_pb2, request_pb2
from google.protobuf.descriptor import FieldDescriptor

from kit.fault import Invalid
from kit.idempotency import fingerprint
from services.assignment.tests.books import violations
from services.assignment.tests.calls import refused
from services.assignment.tests.test_fuzz import MESSAGES, RIGHT, fill

WRITES = [kind for kind in MESSAGES if "request_id" in kind.DESCRIPTOR.fields_by_name]
# A field of the number 2000 that nobody knows, with an integer in it.
UNKNOWN = b"\x80\x7d\x07"
TURNS = pytest.mark.parametrize("turns", [3, pytest.param(300, marks=pytest.mark.soak)])


def leaves(message, path=()):
    """Every field that is set, and every one beside it that could be, as a path of names."""
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is None or field.is_repeated or inner.GetOptions().map_entry:
            yield (*path, field.name)
        elif message.HasField(field.name):
            yield from leaves(getattr(message, field.name), (*path, field.name))


def changed(message, path):
    """A copy with one field otherwise."""
    copy = type(message)()
    copy.CopyFrom(message)
    within = copy
    for name in path[:-1]:
        within = getattr(within, name)
    field = within.DESCRIPTOR.fields_by_name[path[-1]]
    found = getattr(within, field.name)
    if field.is_repeated and field.message_type is None:
        text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
        found.append(f"more {len(found)}" if text else len(found) + 1)
    elif field.is_repeated and field.message_type.GetOptions().map_entry:
        found["another"] = "one"
    elif field.is_repeated:
        found.add()
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        setattr(within, field.name, f"{found}x")
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        setattr(within, field.name, not found)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        setattr(within, field.name, (found + 1) % 2)
    else:
        setattr(within, field.name, 1 if found != 1 else 2)
    return copy


def otherwise_written(message) -> bytes:
    """The same message with its fields in the opposite order, and something nobody knows."""
    parts = []
    for field, found in message.ListFields():
        alone = type(message)()
        if field.message_type is not None and not field.is_repeated:
            getattr(alone, field.name).CopyFrom(found)
        elif field.is_repeated:
            getattr(alone, field.name).MergeFrom(found)
        else:
            setattr(alone, field.name, found)
        parts.append(alone.SerializeToString())
    return UNKNOWN + b"".join(reversed(parts))


@TURNS
@pytest.mark.parametrize("kind", WRITES, ids=lambda kind: kind.DESCRIPTOR.name)
def test_each_field_counts_and_how_it_is_written_does_not(kind, turns):
    rng, count = random.Random(kind.DESCRIPTOR.name), 0
    for _ in range(turns):
        message = kind(**RIGHT.get(kind.DESCRIPTOR.name, {}))
        fill(message, rng, share=0.5)
        own = fingerprint("M", message)
        assert fingerprint("M", kind.FromString(otherwise_written(message))) == own
        assert fingerprint("N", message) != own
        for path in leaves(message):
            same = path == ("request_id",)
            assert (fingerprint("M", changed(message, path)) == own) == same, path
            count += 1
    print(f"{count} changes of one field each in {turns} messages")


@pytest.mark.parametrize(
    "message",
    [
        assignment_pb2.PlaceHoldRequest(
            **RIGHT["PlaceHoldRequest"], resource_ids=["r1"], request_id="k"
        ),
        assignment_pb2.AssignRequest(
            **RIGHT["AssignRequest"], resource_ids=["r2"], reason="fits", request_id="k"
        ),
        request_pb2.CreateRequestRequest(**RIGHT["CreateRequestRequest"], request_id="k"),
    ],
    ids=lambda message: message.DESCRIPTOR.name,
)
async def test_as_served_a_key_is_refused_for_any_other_payload(ann, ledger_database, message):
    method = message.DESCRIPTOR.name.removesuffix("Request")
    await ann.want("q1")
    first = await ann(method, message)
    for path in leaves(message):
        if path == ("request_id",):
            continue
        fault = await refused(ann(method, changed(message, path)))
        # What cannot be meant at all is refused before anybody looks at the key.
        assert isinstance(fault, Invalid), (path, fault)
    again = type(message).FromString(otherwise_written(message))
    assert await ann(method, again) == first
    assert violations(ledger_database.admin_url) == {}
