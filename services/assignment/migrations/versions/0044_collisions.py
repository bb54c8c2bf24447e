"""A write that found its time taken leaves an event."""

from pathlib import Path

from kit.migrate import execute

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "44_collisions.sql"


def upgrade() -> None:
    execute(SOURCE)
