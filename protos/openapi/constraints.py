"""Turns protovalidate's rules into the words of JSON Schema, or sentences where it has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

Schema = dict[str, Any]
FORMATS = {"uri": "uri", "email": "email", "uuid": "uuid", "hostname": "hostname"}
BOUNDS = {
    "gte": "minimum",
    "gt": "exclusiveMinimum",
    "lte": "maximum",
    "lt": "exclusiveMaximum",
}
WORDS = {"gte": "at least", "gt": "more than", "lte": "at most", "lt": "less than"}
NUMBERS = {"int32", "uint32", "sint32", "fixed32", "sfixed32", "float", "double"}
# Written as strings in JSON, which have no bounds.
WIDE = {"int64", "uint64", "sint64", "fixed64", "sfixed64"}


def rules_of(field: FieldDescriptorProto) -> Any:
    """Returns the rules of a field as protovalidate's message."""
    return field.options.Extensions[validate_pb2.field]


def is_required(field: FieldDescriptorProto) -> bool:
    """Returns whether a message without the field is refused."""
    return bool(rules_of(field).required)


def constrained(schema: Schema, rules: Any) -> Schema:
    """Returns the schema with what the rules add to it."""
    more: Schema = {}
    sentences = [str(one.message) for one in rules.cel if one.message]
    kind = rules.WhichOneof("type")
    if kind is not None:
        told = getattr(rules, kind)
        if kind == "repeated":
            more = dict(_of_list(schema, told))
        elif kind == "map":
            more = dict(_sizes(told, "pairs", "Properties"))
        elif kind == "string":
            more = dict(_of_text(told))
        elif kind == "enum":
            more = _of_enum(schema, told)
        elif kind in NUMBERS:
            more = dict(_of_number(told))
        else:
            sentences += _spoken(kind, told)
    if sentences and "$ref" not in schema:
        described = [schema.get("description", ""), *sentences]
        more["description"] = " ".join(part for part in described if part)
    return {**schema, **more}


def _of_list(schema: Schema, rules: Any) -> Iterator[tuple[str, Any]]:
    yield from _sizes(rules, "items", "Items")
    if rules.unique:
        yield "uniqueItems", True
    if rules.HasField("items"):
        yield "items", constrained(schema["items"], rules.items)


def _sizes(rules: Any, unit: str, word: str) -> Iterator[tuple[str, Any]]:
    for side in ("min", "max"):
        if rules.HasField(f"{side}_{unit}"):
            yield f"{side}{word}", getattr(rules, f"{side}_{unit}")


def _of_text(rules: Any) -> Iterator[tuple[str, Any]]:
    yield from _sizes(rules, "len", "Length")
    if rules.HasField("pattern"):
        yield "pattern", rules.pattern
    if getattr(rules, "in"):
        yield "enum", list(getattr(rules, "in"))
    for name, written in FORMATS.items():
        if getattr(rules, name):
            yield "format", written


def _of_number(rules: Any) -> Iterator[tuple[str, Any]]:
    for name, word in BOUNDS.items():
        if rules.HasField(name):
            yield word, getattr(rules, name)


def _of_enum(schema: Schema, rules: Any) -> Schema:
    if 0 not in rules.not_in or "enum" not in schema:
        return {}
    return {"enum": schema["enum"][1:]}


def _spoken(kind: str, rules: Any) -> list[str]:
    if kind not in WIDE and kind != "duration":
        return []
    parts = []
    for name, word in WORDS.items():
        if rules.HasField(name):
            value = getattr(rules, name)
            told = f"{value.seconds} s" if kind == "duration" else str(value)
            parts.append(f"{word} {told}")
    return [f"{' and '.join(parts).capitalize()}."] if parts else []
