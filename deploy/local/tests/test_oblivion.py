"""On servers of others a reset forgets the stack's own things and nothing else."""

import asyncio
import os
import uuid
from pathlib import Path

import nats
import psycopg
import pytest
import redis

from deploy.local import database, oblivion
from deploy.local.database import create_database, drop_database, set_up
from deploy.local.oblivion import forget
from deploy.local.rundir import RunDir
from deploy.local.servers import EXTERNAL, Servers, started_here

pytestmark = pytest.mark.skipif(
    len(started_here(os.environ)) < len(EXTERNAL), reason="those servers hold somebody's things"
)


def schemas(url: str) -> set[str]:
    """Returns the names of a database's schemas."""
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}


def test_a_directorys_own_database_is_dropped(tmp_path: Path, servers: Servers) -> None:
    run = RunDir(tmp_path / "run")
    run.prepare()
    url = create_database(servers.database_url, f"fairslot_{run.label}")
    forget(run, {EXTERNAL["postgres"]: servers.database_url})
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)
    assert not run.path.exists()


def test_a_named_database_keeps_what_is_not_ours(
    tmp_path: Path, servers: Servers, role_secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "migrate", lambda service, owner_url: None)
    name = f"theirs_{os.getpid()}"
    url = create_database(servers.database_url, name)
    set_up(url, secret=role_secret, services=["gateway"])
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA theirs")
        connection.execute("CREATE SCHEMA notify")
    forget(RunDir(tmp_path / "run"), {EXTERNAL["postgres"]: url})
    left = schemas(url)
    assert {"theirs", "notify"} <= left
    assert "gateway" not in left
    drop_database(servers.database_url, name)


def test_streams_and_blocks_go(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = f"OURS_{uuid.uuid4().hex}", f"THEIRS_{uuid.uuid4().hex}"
    monkeypatch.setattr(oblivion, "STREAMS", (ours, "NEVER_MADE"))
    env = {EXTERNAL["nats"]: servers.nats_url, EXTERNAL["valkey"]: servers.redis_url}

    async def streams(*, made: tuple[str, ...] = ()) -> set[str]:
        connection = await nats.connect(servers.nats_url)
        try:
            for name in made:
                await connection.jetstream().add_stream(name=name, subjects=[name])
            return {info.config.name or "" for info in await connection.jetstream().streams_info()}
        finally:
            await connection.close()

    asyncio.run(streams(made=(ours, theirs)))
    with redis.Redis.from_url(servers.redis_url) as blocks:
        blocks.mset({"fairslot:block": "1", "theirs": "1"})
        forget(RunDir(tmp_path / "run"), env)
        assert asyncio.run(streams()) & {ours, theirs} == {theirs}
        assert blocks.exists("fairslot:block") == 0
        assert blocks.exists("theirs") == 1
