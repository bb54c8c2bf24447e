"""Who served which customer, so that they can be served by the same again."""

from pathlib import Path

from kit.migrate import execute

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "33_customers.sql"


def upgrade() -> None:
    execute(SOURCE)
