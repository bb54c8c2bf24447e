"""Runs of automatic assignment, their tasks, and gaps."""

from pathlib import Path

from kit.migrate import execute

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "23_auto.sql"


def upgrade() -> None:
    execute(SOURCE)
