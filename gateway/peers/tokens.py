"""Signs the short-lived tokens with which the gateway itself calls on behalf of a tenant."""

from __future__ import annotations

from datetime import timedelta

import jwt

from kit.clock import Clock

LIFETIME = timedelta(seconds=60)
ALGORITHM = "ES256"


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
            "roles": ["service"],
            "iat": now,
            "exp": now + LIFETIME,
        }
        return jwt.encode(claims, self._key_pem, algorithm=ALGORITHM, headers={"kid": self._key_id})
