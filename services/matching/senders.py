"""Encodes matching's events for the relay."""

from collections.abc import Mapping
from typing import Any

from fairslot.matching.v1 import events_pb2
from google.protobuf import json_format

EVENTS = {
    message.DESCRIPTOR.full_name: message
    for message in (events_pb2.DecisionMade, events_pb2.FairnessDrifted)
}


def encode(type_name: str, payload: Mapping[str, Any]) -> bytes:
    """Returns the bytes of the event of that name whose proto3 JSON the outbox holds."""
    message = json_format.ParseDict(dict(payload), EVENTS[type_name]())
    return bytes(message.SerializeToString(deterministic=True))
