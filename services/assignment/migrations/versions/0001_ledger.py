"""The ledger: tables, walls between tenants, and the calls that commit."""

from pathlib import Path

from kit.migrate import execute

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SOURCES = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    execute(*sorted(SOURCES.glob("0*.sql")))
