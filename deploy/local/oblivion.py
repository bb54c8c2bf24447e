"""Forgets all that a stack kept: its run directory, and its things on servers of others."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from deploy.local.database import SETUP_MARK, database_name, drop_database
from deploy.local.ports import SERVICES
from deploy.local.rundir import RunDir
from deploy.local.servers import EXTERNAL

BLOCK_KEYS = "fairslot:*"
STREAMS = ("ASSIGNMENT", "AVAILABILITY", "FEED")


def forget(run: RunDir, env: Mapping[str, str] | None = None) -> None:
    """Removes everything the stack of a run directory ever stored; it must not be running.

    Args:
        run: the directory, which goes as a whole.
        env: names the servers of others that the stack used; those of this process when None.
    """
    environment = os.environ if env is None else env
    if url := environment.get(EXTERNAL["postgres"]):
        forget_database(run, url)
    if url := environment.get(EXTERNAL["nats"]):
        asyncio.run(forget_streams(url))
    if url := environment.get(EXTERNAL["valkey"]):
        forget_blocks(url)
    run.forget()


def forget_database(run: RunDir, admin_url: str) -> None:
    """Drops the directory's own database; in one that the URL names, our schemas alone."""
    name = database_name(run, admin_url, external=True)
    if urlsplit(admin_url).path.strip("/") != name:
        drop_database(admin_url, name)
        return
    marks = "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for schema, mark in connection.execute(marks).fetchall():
            if schema in SERVICES and (mark or "").startswith(SETUP_MARK):
                statement = sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema))
                connection.execute(statement)


async def forget_streams(nats_url: str) -> None:
    """Deletes the streams of the stack's events."""
    import nats  # late: only for servers of others
    from nats.js.errors import NotFoundError

    connection = await nats.connect(nats_url)
    try:
        for stream in STREAMS:
            with contextlib.suppress(NotFoundError):
                await connection.jetstream().delete_stream(stream)
    finally:
        await connection.close()


def forget_blocks(redis_url: str) -> None:
    """Deletes the shared blocks of free slots; other keys on the server stay."""
    import redis  # late: only for servers of others

    with redis.Redis.from_url(redis_url) as connection:
        for key in connection.scan_iter(match=BLOCK_KEYS, count=1000):
            connection.delete(key)
