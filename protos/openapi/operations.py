"""Turns RPCs into operations: google.api.http says the address, the body and the query."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fairslot.type.v1 import access_pb2
from google.api import annotations_pb2  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto

from protos.openapi.constraints import is_required
from protos.openapi.schemas import WELL_KNOWN, Schema, Schemas

VERBS = ("get", "put", "post", "delete", "patch")
VARIABLE = re.compile(r"\{([a-z0-9_.]+)(=[^}]*)?\}")
# A query names nested fields with dots; deeper ones nobody needs.
QUERY_DEPTH_MAX = 2
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeats of a write with the same key get the first answer; with another"
    " payload they are refused.",
    "schema": {"type": "string", "maxLength": 255},
}


def operations(
    schemas: Schemas, service: str, method: MethodDescriptorProto
) -> Iterator[tuple[str, str, Schema]]:
    """Yields path, verb and operation of each form that an RPC has over HTTP."""
    rule = method.options.Extensions[annotations_pb2.http]
    for number, one in enumerate([rule, *rule.additional_bindings]):
        verb = one.WhichOneof("pattern")
        if verb in VERBS:
            template = getattr(one, verb)
            operation = _operation(schemas, service, method, template, one)
            if number:
                operation["operationId"] += f"_{number + 1}"
            yield VARIABLE.sub(lambda m: "{" + _json(m[1]) + "}", template), verb, operation


def _operation(
    schemas: Schemas, service: str, method: MethodDescriptorProto, template: str, rule: Any
) -> Schema:
    asked, answer = method.input_type.lstrip("."), method.output_type.lstrip(".")
    fields = {one.name: one for one in schemas.contracts.fields(asked)}
    in_path = [match[1] for match in VARIABLE.finditer(template)]
    roles = _roles(method)
    comment = schemas.contracts.comment(f"{service}.{method.name}")
    operation: Schema = {
        "operationId": f"{service.rpartition('.')[2]}_{method.name}",
        "tags": [service.rpartition(".")[2]],
        "summary": comment.partition(". ")[0].rstrip("."),
        "description": f"{comment}\n\nRoles: {', '.join(roles)}.",
        "x-roles": roles,
        "parameters": [_path_parameter(schemas, asked, fields, name) for name in in_path],
    }
    taken = {name.partition(".")[0] for name in in_path}
    if rule.body == "*":
        body = schemas.of_message(asked, without=frozenset(taken))
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    elif rule.body:
        body = schemas.of_field(asked, fields[rule.body])
        operation["requestBody"] = {
            "required": is_required(fields[rule.body]),
            "content": {"application/json": {"schema": body}},
        }
    if "request_id" in fields:
        operation["parameters"].append(KEY)
    if rule.body != "*":
        rest = [one for one in fields.values() if one.name not in {*taken, rule.body}]
        operation["parameters"] += _query(schemas, asked, rest, "", 1)
    operation["responses"] = {
        "200": {"description": "Done.", "content": _content(schemas, method, answer, rule)},
        "default": {"$ref": "#/components/responses/Refusal"},
    }
    return operation


def _content(schemas: Schemas, method: MethodDescriptorProto, answer: str, rule: Any) -> Schema:
    schema = schemas.refer(answer)
    if rule.response_body:
        fields = {one.name: one for one in schemas.contracts.fields(answer)}
        schema = schemas.of_field(answer, fields[rule.response_body])
    if answer == "google.api.HttpBody":
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    content: Schema = {"application/json": {"schema": schema}}
    if method.server_streaming:
        # One line or one event for each message.
        content["text/event-stream"] = {"schema": schema}
    return content


def _path_parameter(
    schemas: Schemas, asked: str, fields: dict[str, FieldDescriptorProto], path: str
) -> Schema:
    message, names = asked, path.split(".")
    for name in names[:-1]:
        inner = {one.name: one for one in schemas.contracts.fields(message)}
        message = inner[name].type_name.lstrip(".")
    last = {one.name: one for one in schemas.contracts.fields(message)}[names[-1]]
    schema = schemas.of_field(message, last)
    comment = schema.pop("description", "")
    return {
        "name": _json(path),
        "in": "path",
        "required": True,
        "description": comment,
        "schema": schema,
    }


def _query(
    schemas: Schemas, message: str, fields: list[FieldDescriptorProto], prefix: str, depth: int
) -> list[Schema]:
    found: list[Schema] = []
    for one in fields:
        inner = one.type_name.lstrip(".")
        nested = one.type == FieldDescriptorProto.TYPE_MESSAGE and inner not in WELL_KNOWN
        if nested:
            if one.label != FieldDescriptorProto.LABEL_REPEATED and depth < QUERY_DEPTH_MAX:
                rest = list(schemas.contracts.fields(inner))
                found += _query(schemas, inner, rest, f"{prefix}{one.json_name}.", depth + 1)
            continue
        schema = schemas.of_field(message, one)
        comment = schema.pop("description", "")
        parameter: Schema = {"name": prefix + one.json_name, "in": "query", "schema": schema}
        if comment:
            parameter["description"] = comment
        if is_required(one) and not prefix:
            parameter["required"] = True
        found.append(parameter)
    return found


def _roles(method: MethodDescriptorProto) -> list[str]:
    name = access_pb2.Access.Role.Name
    return [name(role) for role in method.options.Extensions[access_pb2.access].roles]


def _json(path: str) -> str:
    """Returns the JSON name of a field, or of a path of fields."""
    return ".".join(
        first + "".join(word.capitalize() for word in rest)
        for first, *rest in (part.split("_") for part in path.split("."))
    )
