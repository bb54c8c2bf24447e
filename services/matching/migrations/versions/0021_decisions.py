"""Decisions are kept with their inputs, and beside them what a second policy made of them."""

from pathlib import Path

from alembic import op

revision = "0021"
down_revision = None
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "21_decisions.sql"


def upgrade() -> None:
    # Given to the driver as it is: the text has colons and percent signs of its own.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SOURCE.read_text())


def downgrade() -> None:
    raise NotImplementedError("decisions are not taken back")
