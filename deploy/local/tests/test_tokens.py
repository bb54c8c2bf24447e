"""Tokens are signed by the run directory's own key, and what they say can be bent by tests."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from deploy.local.rundir import RunDir
from deploy.local.tokens import AUDIENCE, ISSUER, Minter, ready_made_tokens


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A fresh run directory."""
    return RunDir(tmp_path / "run")


def verified(token: str, minter: Minter) -> dict[str, Any]:
    """Returns the claims of a token after checking it the way the services do."""
    keys = jwt.PyJWKSet.from_dict(json.loads(minter.jwks_path.read_text()))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)


def test_a_token_says_who_and_what(run: RunDir) -> None:
    minter = Minter.of(run)
    claims = verified(minter.mint("acme", ["planner"], "ada"), minter)
    assert (claims["tenant"], claims["roles"], claims["sub"]) == ("acme", ["planner"], "ada")
    assert claims["exp"] - claims["iat"] == 3600


def test_an_expired_token_is_refused(run: RunDir) -> None:
    minter = Minter.of(run)
    old = Minter(minter.key_pem, minter.jwks_path, now=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(old.mint("acme", ["admin"]), minter)


def test_claims_can_be_replaced_and_left_out(run: RunDir) -> None:
    minter = Minter.of(run)
    token = minter.mint("acme", ["admin"], claims={"tenant": None, "team": "blue"})
    claims = verified(token, minter)
    assert "tenant" not in claims
    assert claims["team"] == "blue"


def test_another_directorys_token_is_refused(run: RunDir, tmp_path: Path) -> None:
    stranger = Minter.of(RunDir(tmp_path / "other"))
    with pytest.raises(jwt.InvalidSignatureError):
        verified(stranger.mint("acme", ["admin"]), Minter.of(run))


def test_ready_made_tokens_are_kept_and_secret(run: RunDir) -> None:
    tokens = ready_made_tokens(run)
    assert set(tokens) == {"admin", "planner", "viewer", "service", "other_tenant_admin"}
    assert verified(tokens["other_tenant_admin"], Minter.of(run))["tenant"] == "other"
    assert ready_made_tokens(run) == tokens
    for name in ("keys/signing.pem", "tokens.json"):
        assert stat.S_IMODE((run.path / name).stat().st_mode) == 0o600
