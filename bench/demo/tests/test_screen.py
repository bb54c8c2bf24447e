"""A run is shown on terminals and elsewhere, while it runs and at its end."""

import asyncio
import io

import pytest
from rich.console import Console

from bench.demo import screen
from bench.demo.screen import Screen, summary_table
from bench.demo.tally import Tally


async def shown(*, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(screen, "PLAIN_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(screen, "LIVE_PAUSE_SECONDS", 0.02)
    out = io.StringIO()
    stage = Screen(Console(file=out, force_terminal=terminal, width=120, highlight=False))
    tally = Tally(wanted=1234, requests=10, held=9, confirmed=7, forgotten=2)
    following = asyncio.create_task(stage.follow(tally, []))
    await asyncio.sleep(0.1)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    return out.getvalue()


async def test_without_a_terminal_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = await shown(terminal=False, monkeypatch=monkeypatch)
    assert "9 of 1,234: 7 booked" in text
    assert "\x1b" not in text


async def test_on_a_terminal_there_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = await shown(terminal=True, monkeypatch=monkeypatch)
    assert "left to expire" in text
    assert "\x1b" in text


def test_the_summary_shows_every_number() -> None:
    out = io.StringIO()
    summary = {
        "requests": 20_000,
        "refused": {"SLOT_TAKEN": 3},
        "changes_missing_per_watcher": [0, 0],
        "latency_ms": {"PlaceHold": {"p50": 1.0, "p99": 2.5, "max": 3.0}},
    }
    Console(file=out, width=120).print(summary_table(summary))
    for part in ("20,000", "SLOT_TAKEN 3", "[0, 0]", "PlaceHold", "2.5"):
        assert part in out.getvalue()
