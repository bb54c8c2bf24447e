"""Puts the whole description together as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from protos.openapi.contracts import Contracts
from protos.openapi.operations import operations
from protos.openapi.schemas import Schema, Schemas

REASONS = "fairslot.type.v1.Refusal.Reason"
ABOUT = (
    "Who can do this, and when, inside this window: fairly, with reasons, and never a double"
    " booking. Moments are RFC 3339, spans half-open, durations seconds with an s; numbers of 64"
    " bits are strings. Every refusal is a google.rpc.Status with an ErrorInfo whose reason is one"
    " of those listed at Refusal. Every write takes an idempotency key."
)


def document(contracts: Contracts) -> Schema:
    """Returns the description of everything that is served over HTTP."""
    schemas = Schemas(contracts)
    paths: dict[str, Schema] = {}
    tags = []
    for name, service in contracts.own_services():
        found = [one for method in service.method for one in operations(schemas, name, method)]
        for path, verb, operation in found:
            paths.setdefault(path, {})[verb] = operation
        if found:
            tags.append({"name": service.name, "description": contracts.comment(name)})
    paths |= _plain_paths()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fairslot", "version": "1", "description": ABOUT},
        "security": [{"bearer": []}],
        "tags": [*tags, {"name": "Webhooks", "description": "What others send to us."}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "responses": {"Refusal": _refusal(contracts)},
            "schemas": dict(sorted(schemas.components.items())),
        },
    }


def _refusal(contracts: Contracts) -> Schema:
    reasons = contracts.enums[REASONS].value[1:]
    told = [f"{one.name}: {contracts.comment(f'{REASONS}.{one.name}')}" for one in reasons]
    info: Schema = {
        "type": "object",
        "properties": {
            "@type": {"type": "string"},
            "reason": {
                "type": "string",
                "enum": [one.name for one in reasons],
                "x-enum-descriptions": told,
            },
            "domain": {"type": "string", "const": "fairslot"},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "additionalProperties": True,
    }
    status: Schema = {
        "type": "object",
        "properties": {
            "code": {"type": "integer", "description": "google.rpc.Code"},
            "message": {"type": "string"},
            "details": {"type": "array", "items": info},
        },
    }
    return {
        "description": "A refusal, with the reason and what to do.",
        "content": {"application/json": {"schema": status}},
    }


def _plain_paths() -> dict[str, Schema]:
    """Returns what is served over HTTP and is no RPC."""
    ok: Any = {"200": {"description": "Well."}}
    signature = {
        "name": "X-Cal-Signature-256",
        "in": "header",
        "required": True,
        "description": "The HMAC-SHA-256 of the raw body in hexadecimal digits.",
        "schema": {"type": "string", "minLength": 64, "maxLength": 64},
    }
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/healthz": {
            "get": {
                "operationId": "healthz",
                "summary": "Answers 200 while every part is well",
                "tags": ["Webhooks"],
                "security": [],
                "responses": ok,
            }
        },
        "/webhooks/calcom": {
            "post": {
                "operationId": "webhooks_calcom",
                "summary": "Takes in a webhook of Cal.com",
                "description": "A body of at most 256 KB, signed with one of the tenant's two"
                " secrets. The same body has one effect, however often and in whichever order it"
                " comes. What became of it is in GET /v1/calendarEvents.",
                "tags": ["Webhooks"],
                "security": [],
                "parameters": [signature],
                "requestBody": body,
                "responses": {
                    "200": {"description": "It came before."},
                    "202": {"description": "It is written down and applied."},
                    "default": {"$ref": "#/components/responses/Refusal"},
                },
            }
        },
    }
