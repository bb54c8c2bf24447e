"""Edits, longer holds, moves, completion and the flag of what is at risk."""

from pathlib import Path

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "22_moves.sql"


def upgrade() -> None:
    # Given to the driver as it is: the text has colons and percent signs of its own.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SOURCE.read_text())


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken down")
