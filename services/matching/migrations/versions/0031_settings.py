"""How a tenant wants its work matched, and where its people stand with fairness."""

from pathlib import Path

from kit.migrate import execute

revision = "0031"
down_revision = "0021"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "31_settings.sql"


def upgrade() -> None:
    execute(SOURCE)
