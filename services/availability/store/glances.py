"""What a process must know of a tenant to read shared blocks: its catalog, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from kit.db import Connection
from services.availability.domain import Resource, ServiceType, Tenant
from services.availability.store.projection import LEDGER, Position
from services.availability.store.rows import bound, fetch_one

# Tables of few rows each, in one statement and so of one moment.
GLANCE = """
SELECT t.catalog_revision, p.made_at, p.position,
  (SELECT jsonb_object_agg(d.day, d.stamp) FROM availability.day_stamp d
   WHERE d.tenant_id = t.tenant_id AND d.day >= %(since_day)s) AS stamps
FROM availability.tenant t JOIN availability.projection p ON p.stream = %(stream)s
WHERE t.tenant_id = %(tenant_id)s
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """Where the catalog and the copy of the ledger stand, and the last event on each day."""

    revision: int
    position: Position
    stamps: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A tenant's catalog at a revision, as it is shared."""

    revision: int
    tenant: Tenant
    resources: tuple[Resource, ...]
    service_types: tuple[ServiceType, ...]


_CATALOG = TypeAdapter(Catalog)


def catalog_text(catalog: Catalog) -> bytes:
    """Gives the JSON of a catalog."""
    return _CATALOG.dump_json(catalog)


def catalog_in(text: bytes) -> Catalog | None:
    """Reads a catalog; none where it is not one of ours."""
    try:
        return _CATALOG.validate_json(text)
    except ValidationError:
        return None


async def glance(connection: Connection, tenant: str, *, since_day: int) -> Glance | None:
    """Reads where a tenant stands; none where it has nothing yet."""
    values = bound(tenant, {"stream": LEDGER, "since_day": since_day})
    row = await fetch_one(connection, GLANCE, values)
    if row is None:
        return None
    return Glance(
        revision=row["catalog_revision"],
        position=Position(row["made_at"], row["position"]),
        stamps={int(day): stamp for day, stamp in (row["stamps"] or {}).items()},
    )
