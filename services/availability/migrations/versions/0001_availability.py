"""Availability: the catalog, schedules, the projection of the ledger, and walls between tenants."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SOURCES = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    # Given to the driver as it is: the text has colons and percent signs of its own.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    for source in sorted(SOURCES.glob("0*.sql")):
        connection.execute(source.read_text())


def downgrade() -> None:
    raise NotImplementedError("a catalog is not taken down")
