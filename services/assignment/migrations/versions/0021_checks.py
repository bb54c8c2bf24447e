"""What a plan was checked against is checked again where it is committed."""

from pathlib import Path

from kit.migrate import execute

revision = "0021"
down_revision = "0001"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "21_checks.sql"


def upgrade() -> None:
    execute(SOURCE)
