"""The audit log is sealed outside of the database and listed."""

from pathlib import Path

from kit.migrate import execute

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "24_seals.sql"


def upgrade() -> None:
    execute(SOURCE)
