"""Notify: webhook endpoints, deliveries and their attempts, and walls between tenants."""

from pathlib import Path

from kit.migrate import execute

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SOURCES = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    execute(SOURCES / "01_webhooks.sql", SOURCES / "02_walls.sql")
