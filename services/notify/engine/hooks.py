"""What a tenant does with its endpoints: one transaction each, within the tenant's walls."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from kit.call import Caller
from kit.db import Connection, Pool, tenant_transaction
from kit.fault import Exists, Invalid, NotFound
from services.notify.domain import Delivery, Endpoint
from services.notify.rules import Networks, url_refusal
from services.notify.store import HookRows

ENDPOINTS_MAX = 50
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 (how every secret begins)
Place = tuple[datetime, str]


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """Makes a secret as Standard Webhooks writes it."""
    return SECRET_PREFIX + base64.b64encode(random_bytes(SECRET_BYTES)).decode()


class Hooks:
    """Opens what one caller may do; `random_bytes` makes secrets, so it must be of the best."""

    def __init__(self, pool: Pool, allowed: Networks, random_bytes: Callable[[int], bytes]) -> None:
        self._pool = pool
        self._allowed = allowed
        self._random_bytes = random_bytes

    @asynccontextmanager
    async def work(self, caller: Caller) -> AsyncIterator[HookWork]:
        """Yields the work of one transaction."""
        async with tenant_transaction(self._pool, caller.tenant) as connection:
            rows = HookRows(connection, caller.tenant)
            yield HookWork(connection, rows, self._allowed, self._random_bytes)


class HookWork:
    """What is done within one transaction of one tenant."""

    def __init__(
        self,
        connection: Connection,
        rows: HookRows,
        allowed: Networks,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.connection = connection
        self._rows = rows
        self._allowed = allowed
        self._random_bytes = random_bytes

    async def create(
        self, *, name: str, url: str, topics: Sequence[str], description: str
    ) -> Endpoint:
        """Adds an endpoint; refuses an address that may not be reached, and one too many."""
        refusal = url_refusal(url, self._allowed)
        if refusal:
            raise Invalid.field("endpoint.url", refusal)
        if await self._rows.count() >= ENDPOINTS_MAX:
            raise Invalid.field("endpoint", f"a tenant has at most {ENDPOINTS_MAX} of them")
        made = await self._rows.create(
            name=name,
            url=url,
            topics=topics,
            description=description,
            secret=new_secret(self._random_bytes),
        )
        if made is None:
            raise Exists("ALREADY_EXISTS", "the id is taken by another endpoint", id=name)
        return made

    async def endpoints(self, *, limit: int, after: Place | None) -> list[Endpoint]:
        """Lists endpoints, oldest first."""
        return await self._rows.listed(limit=limit, after=after)

    async def delete(self, name: str) -> None:
        """Deletes an endpoint with all that waits for it."""
        if not await self._rows.delete(name):
            raise _unknown("endpoint", name)

    async def rotate(self, name: str, overlap: timedelta) -> Endpoint:
        """Gives an endpoint a new secret."""
        secret = new_secret(self._random_bytes)
        found = await self._rows.rotate(name, secret=secret, overlap=overlap)
        if found is None:
            raise _unknown("endpoint", name)
        return found

    async def deliveries(
        self, *, endpoint_id: str, state: str, limit: int, after: Place | None
    ) -> list[Delivery]:
        """Lists deliveries, newest first."""
        return await self._rows.deliveries(
            endpoint_id=endpoint_id, state=state, limit=limit, after=after
        )

    async def redeliver(self, name: str) -> Delivery:
        """Makes a delivery due again."""
        found = await self._rows.redeliver(name)
        if found is None:
            raise _unknown("delivery", name)
        return found


def _unknown(kind: str, name: str) -> NotFound:
    return NotFound("NOT_FOUND", f"there is no such {kind}", id=name)
