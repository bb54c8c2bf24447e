"""Makes a database ready for the services: roles, schemas, grants and migrations of each."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local.errors import StackError
from deploy.local.ports import SERVICES
from deploy.local.rundir import ROOT, RunDir

Connection = psycopg.Connection[tuple[Any, ...]]

# Serialises set-ups on a server that several stacks share; roles belong to the whole server.
SETUP_LOCK = 0x_FA12_5107
SETUP_MARK = "fairslot set-up"

ROLES = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
    CREATE ROLE {role};
  END IF;
END $$;
ALTER ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {password};
ALTER ROLE {role} SET search_path = {schema}, public;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role};
"""

# The owner makes the tables; the two roles the process connects as may use them and own nothing.
SCHEMA = """
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
GRANT USAGE ON SCHEMA {schema} TO {app}, {worker};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}, {worker};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
  GRANT USAGE, SELECT ON SEQUENCES TO {app}, {worker};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
  GRANT EXECUTE ON FUNCTIONS TO {app}, {worker};
"""


@dataclass(frozen=True)
class ServiceUrls:
    """How one service reaches its schema: as itself, as its worker, and to migrate it."""

    app: str
    worker: str
    owner: str


def services_with_data(root: Path = ROOT) -> tuple[str, ...]:
    """Returns the services that have migrations, and so a schema."""
    return tuple(name for name in SERVICES if any(versions_of(name, root).glob("*.py")))


def package_of(service: str) -> str:
    """Returns the Python package of a service."""
    return "gateway" if service == "gateway" else f"services.{service}"


def versions_of(service: str, root: Path = ROOT) -> Path:
    """Returns the directory of a service's migrations."""
    return root.joinpath(*package_of(service).split("."), "migrations", "versions")


def with_database(url: str, name: str) -> str:
    """Returns the URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def with_user(url: str, user: str, password: str) -> str:
    """Returns the URL of another user of the same database."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(password)}@{host}"))


def password_of(role: str, secret: str) -> str:
    """Derives the password of a role, so that whoever knows the secret finds it again."""
    return hmac.new(secret.encode(), role.encode(), hashlib.sha256).hexdigest()[:32]


def urls_of(service: str, *, admin_url: str, secret: str) -> ServiceUrls:
    """Returns how a service reaches the database of `admin_url`."""

    def url(role: str) -> str:
        return with_user(admin_url, role, password_of(role, secret))

    role = f"fairslot_{service}"
    return ServiceUrls(app=url(role), worker=url(f"{role}_worker"), owner=url(f"{role}_owner"))


def database_name(run: RunDir, admin_url: str, *, external: bool) -> str:
    """Returns the name of a stack's database.

    A server of ours has one stack. On an external one the URL may name the database; if it names
    none, or the one for administrators, each run directory gets its own.
    """
    named = urlsplit(admin_url).path.strip("/")
    if external and named not in ("", "postgres"):
        return named
    return "fairslot" if run.is_default or not external else f"fairslot_{run.label}"


def secret_for(admin_url: str, own_secret: str, *, external: bool) -> str:
    """Returns what the passwords of the roles are derived from.

    On a server that others use too it is the administrator's password, so that two stacks on one
    server agree about the roles they share.
    """
    return (urlsplit(admin_url).password or own_secret) if external else own_secret


def fingerprint(service: str, secret: str) -> str:
    """Returns a mark of everything that set-up does for a service; kept on its schema."""
    roles = (ROLES + SCHEMA + password_of(service, secret)).encode()
    parts = [f"roles={hashlib.sha256(roles).hexdigest()[:16]}"]
    for file in sorted(versions_of(service).parent.rglob("*.*")):
        if file.suffix in (".py", ".sql"):
            parts.append(f"{file.name}={hashlib.sha256(file.read_bytes()).hexdigest()[:16]}")
    return " ".join([SETUP_MARK, *parts])


def rewritten(old_mark: str, new_mark: str) -> list[str]:
    """Returns the migrations that have run and were changed or removed since."""
    known = set(new_mark.removeprefix(SETUP_MARK).split())
    ran = old_mark.removeprefix(SETUP_MARK).split()
    changed = (part.partition("=")[0] for part in ran if part not in known)
    return [name for name in changed if name != "roles"]


def create_database(server_url: str, name: str, *, template: str = "") -> str:
    """Creates a database unless it exists; returns the administrator's URL of it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if not known.fetchone():
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
            connection.execute(statement)
    return with_database(server_url, name)


def drop_database(server_url: str, name: str) -> None:
    """Removes a database, whoever is still connected to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(statement)


def set_up(
    admin_url: str, *, secret: str, services: Iterable[str] | None = None
) -> Mapping[str, ServiceUrls]:
    """Brings a database up to date for the services; costs one query when it already is."""
    chosen = services_with_data() if services is None else tuple(services)
    urls = {name: urls_of(name, admin_url=admin_url, secret=secret) for name in chosen}
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for service in outdated(connection, chosen, secret):
            # Held by the session: the migrations run in connections of their own.
            connection.execute("SELECT pg_advisory_lock(%s)", [SETUP_LOCK])
            try:
                prepare_schema(connection, service, secret)
                migrate(service, urls[service].owner)
                finish_schema(connection, service, secret)
            finally:
                connection.execute("SELECT pg_advisory_unlock(%s)", [SETUP_LOCK])
    return urls


def outdated(connection: Connection, services: Iterable[str], secret: str) -> list[str]:
    """Returns the services whose schema is missing or lacks the newest migrations.

    Raises:
        StackError: a migration that has run is not what it was.
    """
    query = "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace"
    marks: dict[str, str | None] = dict(connection.execute(query).fetchall())
    found = []
    for service in services:
        old, new = marks.get(service) or "", fingerprint(service, secret)
        if names := rewritten(old, new):
            raise StackError(
                f"{', '.join(names)} of {service} changed after the database was made by it; "
                "migrations that have run stay as they are (`make reset` forgets the data)"
            )
        if old != new:
            found.append(service)
    return found


def prepare_schema(connection: Connection, service: str, secret: str) -> None:
    """Makes the extension, the three roles and the schema of a service."""
    database = connection.info.dbname
    execute(connection, "CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public", {})
    execute(connection, "REVOKE ALL ON DATABASE {database} FROM PUBLIC", {"database": database})
    role = f"fairslot_{service}"
    owner, worker = f"{role}_owner", f"{role}_worker"
    for each in (role, owner, worker):
        statement = sql.SQL(ROLES).format(
            name=sql.Literal(each),
            role=sql.Identifier(each),
            schema=sql.Identifier(service),
            database=sql.Identifier(database),
            password=sql.Literal(password_of(each, secret)),
        )
        connection.execute(statement)
    # An administrator who is no superuser may give a schema only to a role of its own.
    execute(connection, "GRANT {owner} TO CURRENT_USER", {"owner": owner})
    names = {"schema": service, "owner": owner, "app": role, "worker": worker}
    execute(connection, SCHEMA, names)


def execute(connection: Connection, text: str, names: Mapping[str, str]) -> None:
    """Runs statements with names put in as quoted identifiers."""
    quoted = {key: sql.Identifier(name) for key, name in names.items()}
    connection.execute(sql.SQL(text).format(**quoted))


def migrate(service: str, owner_url: str) -> None:
    """Runs the migrations of a service as the owner of its schema."""
    from kit.migrate import upgrade  # late: Alembic, only when something changed

    upgrade(owner_url, package_of(service), service)


def finish_schema(connection: Connection, service: str, secret: str) -> None:
    """Takes the version table from the roles and marks the schema as up to date."""
    names = {
        "schema": service,
        "app": f"fairslot_{service}",
        "worker": f"fairslot_{service}_worker",
    }
    version_table = "schema_version"
    known = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s", [service, version_table]
    )
    if known.fetchone():
        statement = "REVOKE ALL ON {schema}.{table} FROM {app}, {worker}"
        execute(connection, statement, {**names, "table": version_table})
    mark = sql.SQL("COMMENT ON SCHEMA {} IS {}").format(
        sql.Identifier(service), sql.Literal(fingerprint(service, secret))
    )
    connection.execute(mark)
