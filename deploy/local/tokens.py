"""Keys and tokens of a local stack: the signing key, the public set, and ready-made bearers."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.local.rundir import RunDir

ISSUER = "fairslot"
AUDIENCE = "fairslot"
KEY_ID = "local"
DAY_SECONDS = 24 * 3600
READY_MADE_SECONDS = 365 * DAY_SECONDS
RENEWED_BELOW_SECONDS = 30 * DAY_SECONDS

# Name in stack.json, tenant, roles.
READY_MADE = (
    ("admin", "demo", ("admin",)),
    ("planner", "demo", ("planner",)),
    ("viewer", "demo", ("viewer",)),
    ("service", "demo", ("service",)),
    ("other_tenant_admin", "other", ("admin",)),
)


def utc_now() -> datetime:
    """Returns the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Minter:
    """Signs tokens that the services and Envoy of one run directory accept."""

    key_pem: str
    jwks_path: Path
    now: Callable[[], datetime] = utc_now

    @classmethod
    def of(cls, run: RunDir) -> "Minter":
        """Takes the run directory's key, or makes one."""
        key_path, jwks_path = run.path / "keys" / "signing.pem", run.path / "jwks.json"
        if not key_path.exists() or not jwks_path.exists():
            run.prepare()
            key_pem, jwk = new_key()
            run.write("keys/signing.pem", key_pem)
            run.write_json("jwks.json", {"keys": [jwk]})
        return cls(key_path.read_text(), jwks_path)

    def mint(
        self,
        tenant: str,
        roles: Iterable[str],
        sub: str = "tester",
        *,
        lifetime_seconds: float = 3600,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Returns a token; `claims` go over the usual ones, and None leaves one out."""
        import jwt  # late: a slow import that a warm start does not need

        issued = self.now()
        usual = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": sub,
            "tenant": tenant,
            "roles": list(roles),
            "iat": int(issued.timestamp()),
            "exp": int((issued + timedelta(seconds=lifetime_seconds)).timestamp()),
        }
        wanted = {**usual, **(claims or {})}
        present = {name: value for name, value in wanted.items() if value is not None}
        return jwt.encode(present, self.key_pem, algorithm="ES256", headers={"kid": KEY_ID})


def new_key() -> tuple[str, Mapping[str, str]]:
    """Makes an ES256 key; returns the private half as PEM and the public half as a JWK."""
    from cryptography.hazmat.primitives import serialization  # late: once per directory
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt.algorithms import ECAlgorithm

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return pem.decode(), {**public, "kid": KEY_ID, "alg": "ES256", "use": "sig"}


def ready_made_tokens(run: RunDir) -> Mapping[str, str]:
    """Returns a token for each role, kept in the run directory and renewed long before its end."""
    minter = Minter.of(run)
    known = run.read_json("tokens.json")
    if known.get("expires", 0) - time.time() > RENEWED_BELOW_SECONDS:
        return dict(known["tokens"])
    tokens = {
        name: minter.mint(tenant, roles, name, lifetime_seconds=READY_MADE_SECONDS)
        for name, tenant, roles in READY_MADE
    }
    run.write_json("tokens.json", {"expires": time.time() + READY_MADE_SECONDS, "tokens": tokens})
    return tokens
