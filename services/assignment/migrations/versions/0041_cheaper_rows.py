"""Rows that cost less to write, and indexes that answer one kind of question each."""

from pathlib import Path

from kit.migrate import execute

revision = "0041"
down_revision = "0025"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "41_cheaper_rows.sql"


def upgrade() -> None:
    execute(SOURCE)
