"""Turns messages into JSON Schema, as proto3 is written in JSON."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from protos.openapi.constraints import constrained, is_required, rules_of
from protos.openapi.contracts import Contracts

Schema = dict[str, Any]
Type = FieldDescriptorProto
INT32: Schema = {"type": "integer", "format": "int32"}
# Numbers of 64 bits are strings in JSON: many readers would round them.
INT64: Schema = {"type": "string", "format": "int64"}
SCALARS: dict[int, Schema] = {
    Type.TYPE_DOUBLE: {"type": "number", "format": "double"},
    Type.TYPE_FLOAT: {"type": "number", "format": "float"},
    Type.TYPE_BOOL: {"type": "boolean"},
    Type.TYPE_STRING: {"type": "string"},
    Type.TYPE_BYTES: {"type": "string", "format": "byte"},
    Type.TYPE_INT32: INT32,
    Type.TYPE_SINT32: INT32,
    Type.TYPE_SFIXED32: INT32,
    Type.TYPE_UINT32: {**INT32, "minimum": 0},
    Type.TYPE_FIXED32: {**INT32, "minimum": 0},
    Type.TYPE_INT64: INT64,
    Type.TYPE_UINT64: INT64,
    Type.TYPE_SINT64: INT64,
    Type.TYPE_FIXED64: INT64,
    Type.TYPE_SFIXED64: INT64,
}
WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.DoubleValue": {"type": "number"},
    "google.protobuf.Int32Value": {"type": "integer", "format": "int32"},
    "google.protobuf.StringValue": {"type": "string"},
}


class Schemas:
    """The schemas that were asked for so far, and all they refer to."""

    def __init__(self, contracts: Contracts) -> None:
        self.contracts = contracts
        self.components: dict[str, Schema] = {}

    def of_field(self, message: str, field: FieldDescriptorProto) -> Schema:
        """Returns the schema of one field with its comment and its rules."""
        plain = self._plain(field)
        if field.label == Type.LABEL_REPEATED:
            entry = self._map_entry(field)
            if entry is not None:
                plain = {"type": "object", "additionalProperties": self._plain(entry)}
            else:
                plain = {"type": "array", "items": plain}
        schema = constrained(plain, rules_of(field))
        comment = self.contracts.comment(f"{message}.{field.name}")
        if comment:
            told = schema.get("description", "")
            schema = {**schema, "description": f"{comment} {told}".strip()}
        if comment.startswith("Output only"):
            schema["readOnly"] = True
        return schema

    def of_message(self, name: str, *, without: frozenset[str] = frozenset()) -> Schema:
        """Returns the schema of a message in place, but for some of its fields."""
        fields = [one for one in self.contracts.fields(name) if one.name not in without]
        schema: Schema = {
            "type": "object",
            "properties": {one.json_name: self.of_field(name, one) for one in fields},
        }
        required = [one.json_name for one in fields if is_required(one)]
        if required:
            schema["required"] = required
        comment = self.contracts.comment(name)
        return {"description": comment, **schema} if comment else schema

    def refer(self, name: str) -> Schema:
        """Returns a reference to a message, or what a well-known one is written as."""
        if name in WELL_KNOWN:
            return dict(WELL_KNOWN[name])
        short = component(name)
        if short not in self.components:
            self.components[short] = {}  # first, for messages that hold themselves
            self.components[short] = self.of_message(name)
        return {"$ref": f"#/components/schemas/{short}"}

    def _plain(self, field: FieldDescriptorProto) -> Schema:
        name = field.type_name.lstrip(".")
        if field.type == Type.TYPE_MESSAGE:
            return self.refer(name)
        if field.type == Type.TYPE_ENUM:
            return self._enum(name)
        return dict(SCALARS[field.type])

    def _enum(self, name: str) -> Schema:
        values = self.contracts.enums[name].value
        told = [
            f"{value.name}: {comment}"
            for value in values
            if (comment := self.contracts.comment(f"{name}.{value.name}"))
        ]
        schema: Schema = {"type": "string", "enum": [value.name for value in values]}
        if told:
            schema["x-enum-descriptions"] = told
        return schema

    def _map_entry(self, field: FieldDescriptorProto) -> FieldDescriptorProto | None:
        """Returns the field of a map's values; None if the field is no map."""
        if field.type != Type.TYPE_MESSAGE:
            return None
        message = self.contracts.messages[field.type_name.lstrip(".")]
        return message.field[1] if message.options.map_entry else None


def component(name: str) -> str:
    """Returns the short name of a message: fairslot.assignment.v1.Hold is assignment.Hold."""
    return name.removeprefix("fairslot.").replace(".v1.", ".")
