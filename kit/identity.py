"""Verifies bearer tokens against a JWKS file; tenant, subject and roles come from nowhere else."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import jwt

from kit.call import Caller
from kit.fault import Denied, Unauthenticated

ALGORITHM = "ES256"
CACHED_TOKENS_MAX = 10_000
# Tenants become parts of NATS subjects and cache keys.
TENANT = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


class Verifier:
    """Turns a token into a caller. Verified tokens are remembered until they expire."""

    def __init__(self, *, jwks_path: Path, issuer: str, audience: str) -> None:
        keys = json.loads(jwks_path.read_text())["keys"]
        self._keys = {key.get("kid", ""): jwt.PyJWK(key, algorithm=ALGORITHM).key for key in keys}
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    def rehearse(self) -> None:
        """Refuses a token of nobody's, so that the first caller need not wait until all that checks
        signatures is loaded.
        """
        for kid in self._keys:
            header = json.dumps({"alg": ALGORITHM, "kid": kid}).encode()
            parts = (header, b"{}", bytes(64))
            with contextlib.suppress(Unauthenticated):
                self._claims(b".".join(map(base64.urlsafe_b64encode, parts)).decode())

    def verify(self, token: str) -> Caller:
        """Returns who bears the token. Refuses one missing, expired, forged or not for us."""
        known = self._verified.get(token)
        if known is not None and known[1] > time.time():
            return known[0]
        claims = self._claims(token)
        tenant, roles = claims.get("tenant"), claims.get("roles")
        if not isinstance(tenant, str) or not TENANT.match(tenant) or not isinstance(roles, list):
            raise Denied("PERMISSION_DENIED", "the token names no tenant or no roles")
        caller = Caller(
            tenant=tenant,
            subject=str(claims["sub"]),
            roles=frozenset(str(role).lower() for role in roles),
            token=token,
        )
        self._verified[token] = (caller, float(claims["exp"]))
        if len(self._verified) > CACHED_TOKENS_MAX:
            self._verified.popitem(last=False)
        return caller

    def _claims(self, token: str) -> dict[str, Any]:
        if not token:
            raise Unauthenticated("UNAUTHENTICATED", "no bearer token was sent")
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise Unauthenticated("UNAUTHENTICATED", "the token is signed by nobody we know")
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("UNAUTHENTICATED", "the token has expired") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("UNAUTHENTICATED", "the token is not valid") from error
        return claims
