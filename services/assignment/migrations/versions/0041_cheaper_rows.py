"""Rows that cost less to write, and indexes that answer one kind of question each."""

from pathlib import Path

from alembic import op

revision = "0041"
down_revision = "0025"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "41_cheaper_rows.sql"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SOURCE.read_text())


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken down")
