"""Roles own nothing, see one schema, and cannot get around the tenants' wall."""

import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors

from deploy.local import database
from deploy.local.database import (
    ServiceUrls,
    create_database,
    database_name,
    drop_database,
    prepare_schema,
    set_up,
    urls_of,
    with_user,
)
from deploy.local.errors import StackError
from deploy.local.rundir import DEFAULT_RUN_DIR, RunDir
from deploy.local.servers import EXTERNAL, Servers

# Two schemas, whatever the services keep in them.
PAIR = ("gateway", "notify")


@pytest.fixture
def urls(
    servers: Servers, role_secret: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Mapping[str, ServiceUrls]]]:
    """The administrator's URL of a fresh database and those of two services without tables."""
    if os.environ.get(EXTERNAL["postgres"]):
        pytest.skip("the roles of a server that others use keep their passwords")
    monkeypatch.setattr(database, "migrate", lambda service, owner_url: None)
    name = f"fairslot_roles_{os.getpid()}"
    url = create_database(servers.database_url, name)
    yield url, set_up(url, secret=role_secret, services=PAIR)
    # Roles belong to the server: other tests find them as they were.
    with psycopg.connect(url, autocommit=True) as connection:
        for service in PAIR:
            prepare_schema(connection, service, role_secret)
    drop_database(servers.database_url, name)


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Runs statements in one transaction; returns the rows of the last."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_service_uses_its_tables_and_owns_none(
    urls: tuple[str, Mapping[str, ServiceUrls]],
) -> None:
    one = urls[1]["gateway"]
    # Unqualified: the search path of the roles leads to their schema.
    run(one.owner, "CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY, text text)")
    for url in (one.app, one.worker):
        run(url, "INSERT INTO gateway.note (text) VALUES ('kept')", "UPDATE note SET text = 'new'")
    assert run(one.app, "SELECT count(*) FROM note") == [(2,)]
    for forbidden in ("DROP TABLE note", "TRUNCATE note", "CREATE TABLE gateway.mine ()"):
        with pytest.raises(errors.InsufficientPrivilege):
            run(one.app, forbidden)
    with pytest.raises(errors.InsufficientPrivilege):
        run(one.app, "CREATE TABLE public.mine ()")


def test_a_service_cannot_look_into_another(urls: tuple[str, Mapping[str, ServiceUrls]]) -> None:
    run(urls[1]["notify"].owner, "CREATE TABLE note ()")
    for url in (urls[1]["gateway"].app, urls[1]["gateway"].worker, urls[1]["gateway"].owner):
        with pytest.raises(errors.InsufficientPrivilege):
            run(url, "SELECT FROM notify.note")


def test_the_tenants_wall_holds_for_all_three_roles(
    urls: tuple[str, Mapping[str, ServiceUrls]],
) -> None:
    one = urls[1]["gateway"]
    run(
        one.owner,
        "CREATE TABLE note (tenant_id text)",
        "ALTER TABLE note ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE note FORCE ROW LEVEL SECURITY",
        "CREATE POLICY wall ON note USING "
        "(tenant_id = nullif(current_setting('app.tenant_id', true), ''))",
    )
    run(one.app, "SELECT set_config('app.tenant_id', 'a', true)", "INSERT INTO note VALUES ('a')")
    for url in (one.app, one.worker, one.owner):
        assert run(url, "SELECT FROM note") == []
    with pytest.raises(errors.InsufficientPrivilege):
        run(one.app, "INSERT INTO note VALUES ('a')")


def test_passwords_are_asked_for(urls: tuple[str, Mapping[str, ServiceUrls]]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(with_user(urls[0], "fairslot_gateway", "wrong"))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(with_user(urls[0], "postgres", "postgres"))


def test_the_extension_for_exclusion_constraints_is_there(
    urls: tuple[str, Mapping[str, ServiceUrls]],
) -> None:
    run(
        urls[1]["gateway"].owner,
        "CREATE TABLE taken (id text, during tstzrange, EXCLUDE USING gist "
        "(id WITH =, during WITH &&))",
    )


def test_set_up_does_its_work_once(
    servers: Servers,
    urls: tuple[str, Mapping[str, ServiceUrls]],
    role_secret: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrated: list[str] = []
    assert create_database(servers.database_url, urlsplit(urls[0]).path.strip("/")) == urls[0]
    monkeypatch.setattr(database, "migrate", lambda service, owner_url: migrated.append(service))
    assert set_up(urls[0], secret=role_secret, services=PAIR) == urls[1]
    assert migrated == []
    # Lost secrets: the roles get their new passwords.
    again = set_up(urls[0], secret="another", services=["gateway"])
    assert migrated == ["gateway"]
    run(again["gateway"].app, "SELECT 1")


def test_a_service_cannot_change_what_it_is_migrated_to(
    urls: tuple[str, Mapping[str, ServiceUrls]],
    role_secret: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(urls[1]["gateway"].owner, "CREATE TABLE schema_version (version_num text)")
    newer = f"{database.fingerprint('gateway', role_secret)} 0002_more.py=1"
    monkeypatch.setattr(database, "fingerprint", lambda service, secret: newer)
    set_up(urls[0], secret=role_secret, services=["gateway"])
    with pytest.raises(errors.InsufficientPrivilege):
        run(urls[1]["gateway"].app, "SELECT FROM schema_version")


def test_a_migration_that_ran_and_changed_is_named(
    urls: tuple[str, Mapping[str, ServiceUrls]],
    role_secret: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = database.fingerprint("gateway", role_secret)
    for number in (1, 2):
        # One more file is fine.
        more = f"{before} {' '.join(f'000{n}_more.py=1' for n in range(number))}"
        monkeypatch.setattr(database, "fingerprint", lambda service, secret, mark=more: mark)
        set_up(urls[0], secret=role_secret, services=["gateway"])
    changed = f"{before} 0000_more.py=1 0001_more.py=2"
    monkeypatch.setattr(database, "fingerprint", lambda service, secret: changed)
    with pytest.raises(StackError, match=r"0001_more\.py of gateway"):
        set_up(urls[0], secret=role_secret, services=["gateway"])


def test_urls_keep_host_and_options() -> None:
    found = urls_of("notify", admin_url="postgresql://root:pw@db:5433/x?sslmode=require", secret="")
    assert found.app.startswith("postgresql://fairslot_notify:")
    assert found.app.endswith("@db:5433/x?sslmode=require")


def test_a_database_is_named_by_its_url_or_by_its_directory() -> None:
    here, there = RunDir(DEFAULT_RUN_DIR), RunDir(DEFAULT_RUN_DIR.parent / "elsewhere")
    server = "postgresql://root@db/postgres"
    assert database_name(there, server, external=False) == "fairslot"
    assert database_name(here, server, external=True) == "fairslot"
    assert database_name(there, server, external=True) == f"fairslot_{there.label}"
    assert database_name(there, "postgresql://root@db/mine", external=True) == "mine"
