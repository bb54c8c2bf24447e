"""`make demo` in small: it ends, every promise is kept, and demo.json is as the contract spells."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared/data/restaurant/reservations_dev.csv.gz"
SECONDS = 150
ZERO = (
    "double_bookings",
    "orphaned_allocations",
    "lost_acks",
    "idempotency_violations",
)


def demo(home: Path, *arguments: str) -> dict[str, Any]:
    """Runs the demo in a directory of its own."""
    home.chmod(0o711)
    done = subprocess.run(
        [sys.executable, "-m", "bench.demo", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "FAIRSLOT_RUN_DIR": str(home),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every promise was kept" in done.stdout
    summary: dict[str, Any] = json.loads((home / "demo.json").read_text())
    for name in ZERO:
        assert summary[name] == 0
    assert summary["changes_missing_per_watcher"] == [0] * 8
    assert summary["requests"] == summary["held"] + sum(summary["refused"].values())
    assert {"CreateRequest", "RankCandidates", "PlaceHold", "ConfirmHold"} <= set(
        summary["latency_ms"]
    )
    return summary


@pytest.mark.timeout(SECONDS + 30)
def test_the_example_worlds(open_directory: Path) -> None:
    summary = demo(open_directory, "--max", "150")
    assert summary["requests"] == 150
    assert summary["confirmed"] > 50
    assert summary["idempotency_replays"] > 0
    assert set(summary["fairness"]) >= {"max_abs_gap_percent", "within_tolerance"}


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.skipif(not REAL.exists(), reason="the real reservations are not here")
def test_real_reservations(open_directory: Path) -> None:
    summary = demo(open_directory, "--data", str(REAL), "--max", "300")
    assert summary["requests"] == 300
    assert summary["confirmed"] > 150
