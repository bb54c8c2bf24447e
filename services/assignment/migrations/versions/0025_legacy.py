"""Records of another system, and the day from which on fairness counts."""

from pathlib import Path

from kit.migrate import execute

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "25_legacy.sql"


def upgrade() -> None:
    execute(SOURCE)
