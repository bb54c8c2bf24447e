"""Posts webhooks: signed, to the address that was checked and to no other, without redirects."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook

from kit.clock import Clock
from services.notify.domain import Answer, Due
from services.notify.rules import Networks, address_refusal, url_refusal

TIMEOUT_SECONDS = 15.0
CONNECT_SECONDS = 5.0
# Read of an answer, so that it can be logged; the rest is nobody's business.
ANSWER_BYTES = 512
CONNECTIONS_MAX = 64
OK_FIRST, OK_LAST = 200, 299
USER_AGENT = "fairslot-webhooks/1"


class Forbidden(OSError):
    """A name stands for addresses that may not be reached."""


class CheckedResolver(AbstractResolver):
    """Resolves a name once per connection and gives only addresses that may be reached.

    The connection goes to what is given here and nowhere else, so a name that changes its mind
    between the check and the connection gains nothing.
    """

    def __init__(self, allowed: Networks) -> None:
        self._allowed = allowed
        self._names = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the allowed addresses of a name; raises Forbidden where there is none."""
        found = await self._names.resolve(host, port, family)
        good = [one for one in found if not address_refusal(one["host"], self._allowed)]
        if not good:
            raise Forbidden(f"{host} stands for no public address")
        return good

    async def close(self) -> None:
        """Closes what resolves."""
        await self._names.close()


class HookSender:
    """Sends deliveries; what goes wrong is an answer, never an exception."""

    def __init__(self, session: aiohttp.ClientSession, allowed: Networks, clock: Clock) -> None:
        self._session = session
        self._allowed = allowed
        self._clock = clock

    async def send(self, due: Due) -> Answer:
        """Posts one delivery and returns what the endpoint said."""
        at, began = self._clock.now(), time.perf_counter()
        refusal = url_refusal(due.url, self._allowed)
        if refusal:
            return Answer(at=at, status=0, error=f"the address {refusal}", took=timedelta())
        status, error, retry_after = 0, "", None
        try:
            async with self._session.post(
                due.url, data=due.body.encode(), headers=headers(due, at), allow_redirects=False
            ) as answer:
                status = answer.status
                if not OK_FIRST <= status <= OK_LAST:
                    told = await answer.content.read(ANSWER_BYTES)
                    error = f"{status} {told.decode(errors='replace')}".strip()
                    retry_after = _seconds(answer.headers.get("retry-after", ""))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            error = _named(problem)
        took = timedelta(seconds=time.perf_counter() - began)
        clean = error.replace("\0", "")
        return Answer(at=at, status=status, error=clean, took=took, retry_after=retry_after)


@asynccontextmanager
async def open_hook_sender(allowed: Networks, clock: Clock) -> AsyncIterator[HookSender]:
    """Opens a sender and closes its connections with the block."""
    connector = aiohttp.TCPConnector(
        resolver=CheckedResolver(allowed),
        # A kept answer or connection would be one that nobody checks again.
        use_dns_cache=False,
        force_close=True,
        limit=CONNECTIONS_MAX,
    )
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
    ) as session:
        yield HookSender(session, allowed, clock)


def headers(due: Due, at: datetime) -> dict[str, str]:
    """Returns the headers of one attempt: who it is, when it was signed, and by which secrets."""
    signatures = [Webhook(secret).sign(due.message_id, at, due.body) for secret in due.secrets]
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": due.message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _named(problem: BaseException) -> str:
    if isinstance(problem, asyncio.TimeoutError):
        return "no answer in time"
    cause = problem.__cause__ if isinstance(problem.__cause__, Forbidden) else problem
    return str(cause) or type(cause).__name__


def _seconds(text: str) -> timedelta | None:
    with contextlib.suppress(ValueError, OverflowError):
        return timedelta(seconds=max(0, int(text)))
    return None
