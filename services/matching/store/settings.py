"""Keeps how each tenant wants its work matched."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg.types.json import Jsonb

from kit.call import Caller
from kit.db import Connection, Pool, retrying, tenant_transaction
from kit.fault import Conflict
from kit.idempotency import run_once
from services.matching.rules.settings import USUAL, Settings, Unit

# Another process's write is seen after this long at most.
REMEMBERED_SECONDS = 1.0
REMEMBERED_MAX = 10_000

READ = """
SELECT fairness_unit, tolerance_percent, cutover, weights, version FROM matching.settings
WHERE tenant_id = %(tenant_id)s
"""
SAVE = """
INSERT INTO matching.settings (tenant_id, fairness_unit, tolerance_percent, cutover, weights,
  version)
VALUES (%(tenant_id)s, %(unit)s, %(tolerance_percent)s, %(cutover)s, %(weights)s, 1)
ON CONFLICT (tenant_id) DO UPDATE SET fairness_unit = excluded.fairness_unit,
  tolerance_percent = excluded.tolerance_percent, cutover = excluded.cutover,
  weights = excluded.weights, version = settings.version + 1
RETURNING fairness_unit, tolerance_percent, cutover, weights, version
"""


class SettingsRows:
    """Reads and writes settings; what was read is remembered for a moment."""

    def __init__(self, pool: Pool) -> None:
        """Takes connections as the service's role."""
        self._pool = pool
        self._known: OrderedDict[str, tuple[Settings, float]] = OrderedDict()

    async def of(self, tenant: str) -> Settings:
        """Returns a tenant's settings; the usual ones where it never said anything."""
        known = self._known.get(tenant)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        async with tenant_transaction(self._pool, tenant) as connection:
            found = await _read(connection, tenant)
        self._remember(tenant, found)
        return found

    async def save(
        self,
        caller: Caller,
        settings: Settings,
        *,
        etag: str,
        write: tuple[str, str, bytes],
        answer: Callable[[Settings], bytes],
    ) -> bytes:
        """Replaces a tenant's settings, once per key; `write` is method, key and fingerprint.

        Refuses an etag that is not the current one.
        """
        method, key, fingerprint = write
        tenant = caller.tenant

        async def attempt() -> bytes:
            async with tenant_transaction(self._pool, tenant) as connection:

                async def work() -> bytes:
                    stored = await _read(connection, tenant, lock=True)
                    if etag and etag != str(stored.version):
                        raise Conflict(
                            "STALE_ETAG",
                            "the settings were changed since they were read",
                            etag=str(stored.version),
                        )
                    values = {
                        "tenant_id": tenant,
                        "unit": str(settings.unit),
                        "tolerance_percent": settings.tolerance_percent,
                        "cutover": settings.cutover,
                        "weights": Jsonb(dict(settings.weights)),
                    }
                    row = await (await connection.execute(SAVE, values)).fetchone()
                    assert row is not None
                    return answer(_settings(row))

                return await run_once(
                    connection,
                    schema="matching",
                    caller=caller,
                    method=method,
                    key=key,
                    request_hash=fingerprint,
                    work=work,
                )

        made: Awaitable[bytes] = retrying(attempt)
        done = await made
        self._known.pop(tenant, None)
        return done

    def _remember(self, tenant: str, settings: Settings) -> None:
        self._known[tenant] = (settings, time.monotonic() + REMEMBERED_SECONDS)
        self._known.move_to_end(tenant)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)


async def _read(connection: Connection, tenant: str, *, lock: bool = False) -> Settings:
    statement = READ + (" FOR UPDATE" if lock else "")
    row = await (await connection.execute(statement, {"tenant_id": tenant})).fetchone()
    return USUAL if row is None else _settings(row)


def _settings(row: tuple[Any, ...]) -> Settings:
    unit, tolerance_percent, cutover, weights, version = row
    return Settings(Unit(unit), tolerance_percent, cutover, weights, version)
