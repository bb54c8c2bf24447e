"""Takes in the webhooks of outside calendars: POST /webhooks/calcom."""

from __future__ import annotations

import asyncio
import hashlib

import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.engine import Calendars
from gateway.rules import Unreadable, booking_of, signed_by
from gateway.servicer.refusals import refused
from gateway.store import CalendarSecrets
from kit.clock import Clock
from kit.fault import Exhausted, Fault, Invalid, TimedOut, Unauthenticated, Unavailable
from kit.logs import logger

log = logger("gateway")

BODY_BYTES_MAX = 256 * 1024
SWALLOWED_BYTES_MAX = 16 * 1024 * 1024
BODY_SECONDS_MAX = 5.0
# How long the sender waits for its event to be applied; it is written down in any case.
APPLY_SECONDS = 5.0
SIGNATURE = "x-cal-signature-256"


class CalcomWebhook:
    """Verifies, writes down, applies; says 2xx only of what is written down."""

    def __init__(self, calendars: Calendars, secrets: CalendarSecrets, clock: Clock) -> None:
        self._calendars = calendars
        self._secrets = secrets
        self._clock = clock

    @property
    def route(self) -> Route:
        """Where it listens. ?tenant= may say whose it is; its signature must agree."""
        return Route("/webhooks/calcom", self.take, methods=["POST"])

    async def take(self, request: Request) -> Response:
        """Answers one message."""
        try:
            return await self._take(request)
        except Fault as fault:
            return refused(fault)
        except ClientDisconnect:
            return Response(status_code=400)
        except psycopg.Error as error:
            log.error("a calendar event cannot be written down", exc_info=error)
            return refused(Unavailable("UNAVAILABLE", "it cannot be kept; send it again"))

    async def _take(self, request: Request) -> Response:
        body = await bounded_body(request)
        tenant = self._sender(request, body)
        try:
            booking = booking_of(body, now=self._clock.now())
        except Unreadable as error:
            raise Invalid("INVALID_ARGUMENT", str(error)) from error
        received = await self._calendars.take_in(tenant, booking, hashlib.sha256(body).digest())
        if received is None:
            return JSONResponse({"outcome": "REPEATED"})
        try:
            async with asyncio.timeout(APPLY_SECONDS):
                received = await self._calendars.apply(received)
        except (Fault, psycopg.Error, TimeoutError) as error:
            log.warning("a calendar event is applied later", id=received.id, error=repr(error))
        return JSONResponse({"id": received.id, "outcome": str(received.outcome)}, 202)

    def _sender(self, request: Request, body: bytes) -> str:
        """Returns whose secret signed the body; refuses what nobody's did."""
        signature = request.headers.get(SIGNATURE, "")
        named = request.query_params.get("tenant", "")
        found = [
            tenant
            for tenant, secrets in self._secrets.of(named).items()
            if signed_by(secrets, body, signature)
        ]
        if not found:
            raise Unauthenticated("UNAUTHENTICATED", "the signature is not one of ours")
        return found[0]


async def bounded_body(request: Request) -> bytes:
    """Returns the raw body; refuses one that is too large or too slow.

    One that is only too large is read to its end, unkept: a sender that is still sending would be
    cut off and never read the refusal.
    """
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for part in request.stream():
                size += len(part)
                if size > SWALLOWED_BYTES_MAX:
                    raise too_large()
                if size <= BODY_BYTES_MAX:
                    body += part
    except TimeoutError as error:
        raise TimedOut("DEADLINE_EXCEEDED", "the body came too slowly") from error
    if size > BODY_BYTES_MAX:
        raise too_large()
    return bytes(body)


def too_large() -> Fault:
    """Returns the refusal of a body that is too large."""
    return Exhausted("PAYLOAD_TOO_LARGE", f"the body is larger than {BODY_BYTES_MAX} bytes")
