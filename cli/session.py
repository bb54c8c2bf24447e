"""What every command knows: the gateway, the token and the screen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import grpc
import typer

from cli.caller import Caller, open_channel
from cli.screen import Screen

STACK_FILE = "stack.json"
RUN_DIR = ".run"


def utc_now() -> datetime:
    """Returns the time of this machine."""
    return datetime.now(UTC)


@dataclass
class Session:
    """One run of the command."""

    screen: Screen
    gateway: str = ""
    token: str = ""
    open_channel: Callable[[str], grpc.Channel] = open_channel
    now: Callable[[], datetime] = utc_now

    @cached_property
    def caller(self) -> Caller:
        """Calls the gateway that was named, or that of the stack running here."""
        gateway, token = self.gateway, self.token
        if not gateway or not token:
            stack = _stack()
            gateway = gateway or str(stack.get("gateway", ""))
            token = token or str(stack.get("tokens", {}).get("planner", ""))
        if not gateway or not token:
            raise typer.BadParameter(
                "name a gateway and a token (--gateway, --token, or FAIRSLOT_GATEWAY and"
                " FAIRSLOT_TOKEN), or run where `make up` is running"
            )
        return Caller(self.open_channel(gateway), token)


def _stack() -> dict[str, dict[str, str]]:
    """Returns what a stack that runs from this directory says of itself; empty if none does."""
    path = Path(os.environ.get("FAIRSLOT_RUN_DIR", RUN_DIR)) / STACK_FILE
    try:
        found: dict[str, dict[str, str]] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found
