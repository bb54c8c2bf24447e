"""Freshness tokens: how far each of several streams of writes has come, as one string."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from kit.fault import Invalid

# A token names few streams; more is not one of ours.
ENTRIES_MAX = 256


def encode(positions: Mapping[str, int]) -> str:
    """Returns the token for these positions; the same positions always give the same token."""
    text = json.dumps(dict(sorted(positions.items())), separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(token: str, *, field: str = "at_least_as_fresh") -> dict[str, int]:
    """Returns the positions in a token; an empty token has none. Refuses what is not a token."""
    if not token:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as error:
        raise Invalid.field(field, "is not a freshness token of ours") from error
    if (
        not isinstance(found, dict)
        or len(found) > ENTRIES_MAX
        or not all(type(value) is int and value >= 0 for value in found.values())
    ):
        raise Invalid.field(field, "is not a freshness token of ours")
    return found
