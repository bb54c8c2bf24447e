"""A commit looks for its ranking among those for its request."""

from pathlib import Path

from kit.migrate import execute

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "35_requests.sql"


def upgrade() -> None:
    execute(SOURCE)
