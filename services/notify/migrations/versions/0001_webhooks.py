"""Notify: webhook endpoints, deliveries and their attempts, and walls between tenants."""

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
    for name in ("01_webhooks.sql", "02_walls.sql"):
        connection.execute((SOURCES / name).read_text())


def downgrade() -> None:
    raise NotImplementedError("endpoints are not taken down")
