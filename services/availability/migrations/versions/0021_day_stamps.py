"""The last event of the ledger on each day: what a block computed elsewhere rests on."""

from alembic import op

revision = "0021"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE availability.day_stamp (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    -- Days (UTC) since 1970-01-01.
    day int NOT NULL,
    -- The stream and the place in it of the last event that took or freed time on the day.
    stamp text NOT NULL,
    PRIMARY KEY (tenant_id, day)
);
ALTER TABLE availability.day_stamp ENABLE ROW LEVEL SECURITY;
ALTER TABLE availability.day_stamp FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON availability.day_stamp TO fairslot_availability
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY background ON availability.day_stamp TO fairslot_availability_worker
    USING (true) WITH CHECK (true);
REVOKE ALL ON availability.day_stamp FROM fairslot_availability, fairslot_availability_worker;
GRANT SELECT ON availability.day_stamp TO fairslot_availability;
GRANT SELECT, INSERT, UPDATE, DELETE ON availability.day_stamp TO fairslot_availability_worker;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(STATEMENTS)
