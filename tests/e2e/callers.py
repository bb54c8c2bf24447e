"""Callers of a whole stack: JSON over HTTP and gRPC, of a tenant nobody else uses."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import grpc

from client import Client

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    raw: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def lines(self) -> list[Any]:
        """The messages of a stream, one per line."""
        return [json.loads(line) for line in self.raw.splitlines()]

    @property
    def reason(self) -> str:
        """The reason of a refusal, as its ErrorInfo has it."""
        return str(self._info().get("reason", ""))

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self._info().get("metadata", {}))

    def detail(self, name: str) -> dict[str, Any]:
        """The detail of that type; empty if there is none."""
        for detail in self.body.get("details", []):
            if detail["@type"].rpartition("/")[2].endswith(name):
                return dict(detail)
        return {}

    def _info(self) -> dict[str, Any]:
        return self.detail("google.rpc.ErrorInfo")


class Http:
    """One caller who speaks JSON."""

    def __init__(self, gateway: str, token: str | None) -> None:
        self._address = urlsplit(gateway)
        self.token = token

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        **query: Any,
    ) -> Answer:
        """Makes one call and reads the whole answer."""
        sent = {"content-type": "application/json", **(headers or {})}
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        if key:
            sent["idempotency-key"] = key
        payload = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        link = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port, timeout=TIMEOUT_SECONDS
        )
        try:
            asked = f"{path}?{urlencode(query, doseq=True)}" if query else path
            link.request(method, asked, payload, sent)
            reply = link.getresponse()
            return Answer(reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()})
        finally:
            link.close()

    def get(self, path: str, **query: Any) -> Answer:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, *, key: str = "") -> Answer:
        return self.call("POST", path, {} if body is None else body, key=key)

    def put(self, path: str, body: Any, *, key: str = "") -> Answer:
        return self.call("PUT", path, body, key=key)

    def delete(self, path: str, **query: Any) -> Answer:
        return self.call("DELETE", path, **query)

    def made(self, path: str, body: Any) -> Any:
        """Posts what must succeed, and returns the thing."""
        answer = self.post(path, body)
        assert answer.status == 200, answer.raw
        return answer.body


@dataclass(frozen=True)
class Tenant:
    """A tenant nobody else uses, and callers of it."""

    name: str
    gateway: str
    mint: Callable[..., str]
    database_url: str

    def token(self, role: str, sub: str = "") -> str:
        return self.mint(self.name, [role], sub or role)

    def http(self, role: str = "admin", sub: str = "") -> Http:
        return Http(self.gateway, self.token(role, sub))

    def grpc(self, channel: grpc.aio.Channel, role: str = "admin", sub: str = "") -> Client:
        return Client(channel, token=self.token(role, sub))
