"""Calendars in which something goes on for ever are read further ahead when somebody asks."""

from pathlib import Path

from kit.migrate import execute

revision = "0031"
down_revision = "0021"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "31_open_calendars.sql"


def upgrade() -> None:
    execute(SOURCE)
