"""Hands what others look at to the watchers of this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from gateway.domain.presence import Glance
from gateway.engine.hub import Hub


class Sights(Protocol):
    """Where glances come from."""

    def glances(self) -> AsyncGenerator[tuple[str, Glance], None]:
        """Yields a tenant and what one of its pages looks at."""
        ...


class Lookout:
    """Listens for as long as the process lives."""

    def __init__(self, sights: Sights, hub: Hub) -> None:
        self._sights = sights
        self._hub = hub

    async def run(self) -> None:
        """Hands on every glance."""
        async with aclosing(self._sights.glances()) as glances:
            async for tenant, glance in glances:
                self._hub.glance(tenant, glance)
