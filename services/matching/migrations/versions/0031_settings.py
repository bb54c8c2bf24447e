"""How a tenant wants its work matched, and where its people stand with fairness."""

from pathlib import Path

from alembic import op

revision = "0031"
down_revision = "0021"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "31_settings.sql"


def upgrade() -> None:
    # Given to the driver as it is: the text has colons and percent signs of its own.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SOURCE.read_text())


def downgrade() -> None:
    raise NotImplementedError("settings are not taken back")
