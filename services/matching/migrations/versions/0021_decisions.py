"""Decisions are kept with their inputs, and beside them what a second policy made of them."""

from pathlib import Path

from kit.migrate import execute

revision = "0021"
down_revision = None
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "21_decisions.sql"


def upgrade() -> None:
    execute(SOURCE)
