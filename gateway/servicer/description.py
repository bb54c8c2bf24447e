"""Serves the description of the API: /openapi.json for machines, /docs for people."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Nothing is loaded from anywhere, and nothing runs.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def description() -> list[Route]:
    """Returns the routes; what they serve is built with the contracts (`make gen`)."""
    return [
        _fixed("/openapi.json", "openapi.json", "application/json"),
        _fixed("/docs", "docs.html", "text/html; charset=utf-8"),
    ]


def _fixed(path: str, name: str, media_type: str) -> Route:
    content = files("fairslot").joinpath(name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {
        "etag": tag,
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
    }

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return Route(path, answer)
