"""What is past its time is forgotten."""

from pathlib import Path

from kit.migrate import execute

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "32_upkeep.sql"


def upgrade() -> None:
    execute(SOURCE)
