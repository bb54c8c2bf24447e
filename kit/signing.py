"""Signs the short-lived tokens with which a service calls others of its own accord."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from typing import TypeVar

import jwt

from kit.call import Call, Caller, current
from kit.clock import Clock

LIFETIME = timedelta(seconds=60)
ALGORITHM = "ES256"
ROLE = "service"

Answer = TypeVar("Answer")


class Signer:
    """Makes tokens of the role SERVICE; what it signs is verified like anybody's."""

    def __init__(
        self, key_pem: str, *, key_id: str, issuer: str, audience: str, clock: Clock
    ) -> None:
        self._key_pem = key_pem
        self._key_id = key_id
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def token(self, tenant: str, *, subject: str) -> str:
        """Returns a token for one tenant."""
        now = self._clock.now()
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "tenant": tenant,
            "roles": [ROLE],
            "iat": now,
            "exp": now + LIFETIME,
        }
        return jwt.encode(claims, self._key_pem, algorithm=ALGORITHM, headers={"kid": self._key_id})

    async def calling(
        self,
        work: Callable[[], Awaitable[Answer]],
        *,
        tenant: str,
        subject: str,
        method: str,
        request_id: str,
        seconds: float,
    ) -> Answer:
        """Does work as a call that a service makes to itself: of this tenant, in this time."""
        token = self.token(tenant, subject=subject)
        caller = Caller(tenant=tenant, subject=subject, roles=frozenset({ROLE}), token=token)
        call = Call(
            method=method, request_id=request_id, caller=caller, deadline_at=monotonic() + seconds
        )
        before = current.set(call)
        try:
            async with asyncio.timeout(seconds):
                return await work()
        finally:
            current.reset(before)
