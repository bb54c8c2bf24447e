"""Placements of many callers in one transaction."""

from pathlib import Path

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "42_together.sql"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SOURCE.read_text())


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken down")
