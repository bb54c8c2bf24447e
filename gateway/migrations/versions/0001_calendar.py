"""Gateway: what outside calendars told, and walls between tenants."""

from pathlib import Path

from kit.migrate import execute

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "01_calendar.sql"


def upgrade() -> None:
    execute(SOURCE)
