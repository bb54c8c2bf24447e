"""Seals the audit log every minute, says the heads outside of the database, and verifies them."""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from kit.db import open_session
from kit.logs import logger

log = logger("seals")

SEAL_SECONDS = 60.0
LEAD_POLL_SECONDS = 5.0
# One process seals at a time.
SEALER_LOCK = 0x_5EA1_ED00
SEAL = "SELECT tenant_id, number, head, steps, at FROM assignment.seal_audit()"
TENANTS = (
    "SELECT tenant_id FROM assignment.audit UNION SELECT tenant_id FROM assignment.audit_seal"
    " ORDER BY 1"
)
ROWS = "SELECT aggregate, seq, what FROM assignment.broken_audit(%s)"
SEALS = "SELECT number, what FROM assignment.broken_seals(%s)"
HEADS = "SELECT number, head FROM assignment.audit_seal WHERE tenant_id = %s"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a tenant's audit log as it was said outside of the database."""

    tenant: str
    number: int
    head: bytes


class Sealer:
    """Seals for all tenants, on a session of its own."""

    def __init__(self, url: str, path: str) -> None:
        """Takes the URL of the worker's role, and the file that heads are added to, if any."""
        self._url = url
        self._path = Path(path) if path else None

    async def run(self) -> None:
        """Seals for ever; after a failure it takes a fresh session and the lock again."""
        while True:
            try:
                await self._lead()
            except (psycopg.Error, OSError) as error:
                log.warning("sealing starts again", error=repr(error))
            await asyncio.sleep(LEAD_POLL_SECONDS)

    async def _lead(self) -> None:
        async with open_session(self._url, application="assignment-seals") as connection:
            while True:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (SEALER_LOCK,))
                row = await cursor.fetchone()
                if row is not None and row[0]:
                    break
                await asyncio.sleep(LEAD_POLL_SECONDS)
            while True:
                await asyncio.sleep(SEAL_SECONDS)
                await self.seal(connection)

    async def seal(self, connection: psycopg.AsyncConnection) -> int:
        """Seals what was added since, and writes the heads to the file; returns how many."""
        rows = await (await connection.execute(SEAL)).fetchall()
        lines = [
            json.dumps(
                {
                    "tenant": tenant,
                    "number": number,
                    "head": bytes(head).hex(),
                    "steps": steps,
                    "at": at.isoformat(),
                }
            )
            for tenant, number, head, steps, at in rows
        ]
        if lines and self._path is not None:
            await asyncio.to_thread(append, self._path, lines)
        return len(lines)


def append(path: Path, lines: Iterable[str]) -> None:
    """Adds lines to a file, on the disk by the time it returns."""
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def heads_in(path: Path) -> list[Head]:
    """Returns the heads in a file; raises ValueError for a line that is none."""
    heads = []
    for line in path.read_text().splitlines():
        said: Mapping[str, str] = json.loads(line)
        heads.append(Head(said["tenant"], int(said["number"]), bytes.fromhex(said["head"])))
    return heads


def broken(url: str, heads: Iterable[Head]) -> dict[str, list[str]]:
    """Returns by tenant what is wrong with the audit log: rows that do not follow from each other,
    seals that do not fit what they cover, and heads said outside that the database does not have.
    A tenant with nothing wrong has an empty list.
    """
    said: dict[str, dict[int, bytes]] = {}
    for head in heads:
        said.setdefault(head.tenant, {})[head.number] = head.head
    found: dict[str, list[str]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        tenants = [row[0] for row in connection.execute(TENANTS).fetchall()]
        for tenant in sorted({*tenants, *said}):
            wrong = [
                f"{aggregate} step {seq}: {what}"
                for aggregate, seq, what in connection.execute(ROWS, (tenant,)).fetchall()
            ]
            wrong += [
                f"seal {number}: {what}"
                for number, what in connection.execute(SEALS, (tenant,)).fetchall()
            ]
            rows = connection.execute(HEADS, (tenant,)).fetchall()
            known = {number: bytes(head) for number, head in rows}
            wrong += [
                f"seal {number}: the database has {'another head' if number in known else 'none'}"
                for number, head in sorted(said.get(tenant, {}).items())
                if known.get(number) != head
            ]
            found[tenant] = wrong
    return found
