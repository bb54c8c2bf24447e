"""Who is in the way, and what gives way, is found by probes of whole keys."""

from pathlib import Path

from kit.migrate import execute

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

SOURCE = Path(__file__).parent.parent / "sql" / "45_probes.sql"


def upgrade() -> None:
    execute(SOURCE)
