"""A plan's resources are found by their keys."""

from pathlib import Path

from kit.migrate import execute

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "46_numbers.sql"


def upgrade() -> None:
    execute(SOURCE)
