"""Edits, longer holds, moves, completion and the flag of what is at risk."""

from pathlib import Path

from kit.migrate import execute

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "22_moves.sql"


def upgrade() -> None:
    execute(SOURCE)
