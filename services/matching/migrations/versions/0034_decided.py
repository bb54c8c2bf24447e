"""Who keeps decisions may tell of them."""

from pathlib import Path

from kit.migrate import execute

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "34_decided.sql"


def upgrade() -> None:
    execute(SOURCE)
