"""Placements of many callers in one transaction."""

from pathlib import Path

from kit.migrate import execute

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "42_together.sql"


def upgrade() -> None:
    execute(SOURCE)
