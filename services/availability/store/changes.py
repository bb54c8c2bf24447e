"""Records what changed in a catalog: the next revision and an event, in the same transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Connection
from services.availability.store.rows import bound, fetch, fetch_one

CATALOG = "catalog"
CATALOG_CHANGED = "fairslot.availability.v1.CatalogChanged"
# Where more changed than this, reading everything anew is no slower.
CHANGES_MAX = 1_000

# The tenant's row stays locked until the commit, so revisions become visible in their order.
NEXT_REVISION = """
INSERT INTO availability.tenant (tenant_id, catalog_revision) VALUES (%(tenant_id)s, 1)
ON CONFLICT (tenant_id) DO UPDATE SET catalog_revision = tenant.catalog_revision + 1
RETURNING catalog_revision
"""
REVISION = "SELECT catalog_revision FROM availability.tenant WHERE tenant_id = %(tenant_id)s"
RECORD = """
INSERT INTO availability.outbox (tenant_id, aggregate, version, type, payload)
VALUES (%(tenant_id)s, %(aggregate)s, %(version)s, %(type)s, %(payload)s)
"""
SINCE = """
SELECT version, payload ->> 'kind' AS kind, payload -> 'ids' AS ids FROM availability.outbox
WHERE tenant_id = %(tenant_id)s AND aggregate = %(aggregate)s AND version > %(revision)s
ORDER BY version LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """One change of the catalog: what kind, and the ids of what changed."""

    revision: int
    kind: str
    ids: tuple[str, ...]


class ChangeRows:
    """The changes of one tenant's catalog, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def record(self, payload: Mapping[str, Any]) -> int:
        """Takes the next revision and leaves its event in the outbox; gives the revision."""
        row = await fetch_one(self._connection, NEXT_REVISION, bound(self._tenant, {}))
        assert row is not None
        revision = int(row["catalog_revision"])
        values = {
            "aggregate": CATALOG,
            "version": revision,
            "type": CATALOG_CHANGED,
            "payload": Jsonb({"revision": str(revision), **payload}),
        }
        await self._connection.execute(RECORD, bound(self._tenant, values))
        return revision

    async def revision(self) -> int:
        """Gives the catalog's revision."""
        row = await fetch_one(self._connection, REVISION, bound(self._tenant, {}))
        return 0 if row is None else int(row["catalog_revision"])

    async def since(self, revision: int) -> list[Changed] | None:
        """Gives the changes after a revision; none where they are too many or partly forgotten."""
        values = {"aggregate": CATALOG, "revision": revision, "limit": CHANGES_MAX + 1}
        rows = await fetch(self._connection, SINCE, bound(self._tenant, values))
        if len(rows) > CHANGES_MAX or (rows and rows[0]["version"] != revision + 1):
            return None
        return [Changed(row["version"], row["kind"], tuple(row["ids"])) for row in rows]
