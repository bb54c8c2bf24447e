"""Builds the few shapes of statement that the store needs from the names of columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from kit.db import Connection

SCHEMA = "availability"


async def fetch(
    connection: Connection, statement: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Runs a statement and gives its rows by name."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()


async def fetch_one(
    connection: Connection, statement: str, values: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Runs a statement and gives its first row by name, if there is one."""
    rows = await fetch(connection, statement, values)
    return rows[0] if rows else None


def insert(table: str, columns: Sequence[str]) -> str:
    """Gives an INSERT of these columns for the tenant."""
    names = ", ".join(("tenant_id", *columns))
    holes = ", ".join(f"%({column})s" for column in ("tenant_id", *columns))
    return f"INSERT INTO {SCHEMA}.{table} ({names}) VALUES ({holes})"


def update(table: str, columns: Sequence[str]) -> str:
    """Gives an UPDATE of these columns of the row with the id, which raises its version."""
    pairs = ", ".join(f"{column} = %({column})s" for column in columns if column != "id")
    return (
        f"UPDATE {SCHEMA}.{table} SET {pairs}, version = version + 1"
        " WHERE tenant_id = %(tenant_id)s AND id = %(id)s RETURNING *"
    )


def bound(tenant: str, values: Mapping[str, Any], json: Sequence[str] = ()) -> dict[str, Any]:
    """Gives the values to bind, with those of jsonb columns marked as such."""
    marked = {key: Jsonb(value) if key in json else value for key, value in values.items()}
    return {"tenant_id": tenant, **marked}
