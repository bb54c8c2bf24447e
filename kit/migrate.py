"""Brings one service's schema up to date, always forward; asks first, so that a schema that is up
to date costs one query.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import psycopg


def versions_folder(package: str) -> Path:
    """Returns where a service keeps its versions, NNNN_what.py, whose revision is the NNNN."""
    found = import_module(package).__file__
    assert found is not None
    return Path(found).parent / "migrations" / "versions"


def head(package: str) -> str:
    """Returns the newest revision a service has; empty if it keeps no data."""
    files = sorted(versions_folder(package).glob("[0-9]*.py"))
    return files[-1].name.split("_")[0] if files else ""


def current(url: str, schema: str) -> str:
    """Returns the revision a schema is at; empty if it has none."""
    with psycopg.connect(url) as connection:
        table = connection.execute(
            "SELECT to_regclass(%s)", (f"{schema}.schema_version",)
        ).fetchone()
        if table is None or table[0] is None:
            return ""
        row = connection.execute(f"SELECT version_num FROM {schema}.schema_version").fetchone()
        return str(row[0]) if row else ""


def upgrade(url: str, package: str, schema: str) -> bool:
    """Runs what is missing as the schema's owner; returns whether anything was. `url` is
    postgresql://…
    """
    wanted = head(package)
    if not wanted or current(url, schema) == wanted:
        return False
    # Imported here: a start that needs no migration should not pay for the tool.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic_env"))
    config.set_main_option("version_locations", str(versions_folder(package)))
    config.set_main_option("path_separator", "os")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()
    return True


def execute(*files: Path) -> None:
    """Runs files of SQL as part of a version.

    They are given to the driver as they are: their text has colons and percent signs of its own.
    """
    from alembic import op

    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    for file in files:
        connection.execute(file.read_text())
