"""What tests of every service share: a clock that stands still, keys that sign tokens, free ports."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from kit.identity import ALGORITHM

KEY_ID = "fairslot-1"


@dataclass
class FixedClock:
    """A clock that moves only when told."""

    moment: datetime

    def now(self) -> datetime:
        """Returns the moment it was set to."""
        return self.moment

    def advance(self, step: timedelta) -> None:
        """Moves on."""
        self.moment += step


@dataclass(frozen=True)
class Minter:
    """Signs tokens, and writes the JWKS file that verifies them."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    issuer: str = "fairslot"
    audience: str = "fairslot"

    def mint(
        self,
        tenant: str,
        roles: tuple[str, ...] = ("admin",),
        *,
        subject: str = "tester",
        seconds: float = 3600,
        audience: str | None = None,
    ) -> str:
        """Returns a token; `seconds` below 0 makes it expired."""
        now = time.time()
        claims = {
            "iss": self.issuer,
            "aud": audience or self.audience,
            "sub": subject,
            "tenant": tenant,
            "roles": list(roles),
            "iat": int(now),
            "exp": int(now + seconds),
        }
        return jwt.encode(claims, self.key, algorithm=ALGORITHM, headers={"kid": KEY_ID})

    def write_jwks(self, path: Path) -> None:
        """Writes the public key as a JWKS file."""
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        public |= {"kid": KEY_ID, "use": "sig", "alg": ALGORITHM}
        path.write_text(json.dumps({"keys": [public]}))


def free_port() -> int:
    """Returns a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
