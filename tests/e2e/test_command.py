"""The command `fairslot` against the whole stack: from a search to an assignment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.callers import Tenant
from tests.e2e.shop import START, furnish

COMMAND = Path(sys.executable).with_name("fairslot")


@pytest.fixture(autouse=True)
def installed() -> None:
    """The command as it was installed; `make setup` does it."""
    assert COMMAND.exists(), "the command is not installed: make setup"


def fairslot(tenant: Tenant, *words: str, code: int = 0) -> Any:
    """Runs the command with --json; returns what it wrote, out or err."""
    env = {
        **os.environ,
        # It finds what it needs by itself, wherever it is called.
        "PYTHONPATH": "",
        "FAIRSLOT_GATEWAY": tenant.gateway,
        "FAIRSLOT_TOKEN": tenant.token("planner"),
    }
    ran = subprocess.run(
        [COMMAND, "--json", *words],
        env=env,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    return json.loads(ran.stdout or ran.stderr)


def test_from_a_search_to_an_assignment(tenant: Tenant) -> None:
    furnish(tenant)
    later = START.replace("T09:", "T11:")
    found = fairslot(tenant, "search", "visit", "--from", later, "--to", "+10d", "--limit", "1")
    start = found["slots"][0]["start"]
    held = fairslot(tenant, "hold", start, "--service-type", "visit")
    assert held["resourceIds"] == ["r1"]
    refused = fairslot(tenant, "hold", start, "--service-type", "visit", "-r", "r1", code=1)
    assert refused["reason"] == "SLOT_TAKEN"
    assert fairslot(tenant, "confirm", held["token"])["state"] == "ASSIGNED"
    verdict = fairslot(tenant, "explain", "visit", start)["verdicts"][0]
    assert not verdict["free"]
    assert verdict["obstacles"][0]["code"] == "BUSY"
