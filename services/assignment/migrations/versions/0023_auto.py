"""Runs of automatic assignment, their tasks, and gaps."""

from pathlib import Path

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "23_auto.sql"


def upgrade() -> None:
    # Given to the driver as it is: the text has colons and percent signs of its own.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SOURCE.read_text())


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken down")
