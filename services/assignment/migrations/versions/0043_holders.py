"""A hold tells who placed it."""

from pathlib import Path

from kit.migrate import execute

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "43_holders.sql"


def upgrade() -> None:
    execute(SOURCE)
