"""All of time: limits, holidays, preferences, merges, places, outside calendars and demand."""

from alembic import op

revision = "0011"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE availability.tenant
    ADD COLUMN travel_speed_kmh int NOT NULL DEFAULT 0 CHECK (travel_speed_kmh >= 0),
    ADD COLUMN holiday_country text NOT NULL DEFAULT '',
    ADD COLUMN holiday_subdivision text NOT NULL DEFAULT '';

ALTER TABLE availability.resource
    -- 0: not limited.
    ADD COLUMN limit_per_day int NOT NULL DEFAULT 0 CHECK (limit_per_day >= 0),
    ADD COLUMN limit_per_week int NOT NULL DEFAULT 0 CHECK (limit_per_week >= 0),
    ADD COLUMN limit_minutes_per_day int NOT NULL DEFAULT 0 CHECK (limit_minutes_per_day >= 0),
    ADD COLUMN holiday_country text NOT NULL DEFAULT '',
    ADD COLUMN holiday_subdivision text NOT NULL DEFAULT '',
    -- It keeps no holidays, whatever the tenant does.
    ADD COLUMN holiday_none boolean NOT NULL DEFAULT false,
    -- [{"kind", "weight", "weekdays", "start_minute", "end_minute", "service_type_id"}]
    ADD COLUMN preferences jsonb NOT NULL DEFAULT '[]';

ALTER TABLE availability.service_type
    ADD COLUMN merge_policy text NOT NULL DEFAULT 'SINGLE_ONLY'
        CHECK (merge_policy IN ('SINGLE_ONLY', 'MERGE_ALLOWED')),
    ADD COLUMN merge_size_max int NOT NULL DEFAULT 0,
    ADD COLUMN seat_loss_per_joint int NOT NULL DEFAULT 0,
    ADD COLUMN protected boolean NOT NULL DEFAULT false,
    ADD COLUMN impact int NOT NULL DEFAULT 0,
    ADD COLUMN external_event_type_keys text[] NOT NULL DEFAULT '{}';

-- Where the work is, what it is, and when it first was an assignment.
ALTER TABLE availability.allocation
    ADD COLUMN latitude float8,
    ADD COLUMN longitude float8,
    ADD COLUMN service_type_id text NOT NULL DEFAULT '',
    ADD COLUMN booked_at timestamptz;
CREATE INDEX allocation_booked ON availability.allocation (tenant_id, booked_at);

ALTER TABLE availability.external_busy
    -- The outside calendar it was imported with; empty: it came by itself.
    ADD COLUMN calendar_id text NOT NULL DEFAULT '',
    -- When its calendar last touched it: settles two that have one sequence.
    ADD COLUMN stamped_at timestamptz NOT NULL DEFAULT 'epoch',
    -- Deleted because its calendar no longer has it, so that the same sequence may bring it back.
    ADD COLUMN dropped boolean NOT NULL DEFAULT false;
"""

TABLES = """
-- What is known of an outside calendar: its last import, and what of it is missing since.
CREATE TABLE availability.calendar (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    id text NOT NULL,
    revision bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    events int NOT NULL,
    -- Set while an import in which most events were missing waits for somebody to say it is right.
    quarantined_at timestamptz,
    missing int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, resource_id, id),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES availability.resource ON DELETE CASCADE
);

-- How many searches were made in each hour, and how many of them found nothing.
CREATE TABLE availability.demand (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    hour timestamptz NOT NULL,
    searches bigint NOT NULL,
    without_result bigint NOT NULL,
    PRIMARY KEY (tenant_id, hour)
);
"""

WALLS = """
ALTER TABLE availability.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE availability.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON availability.{table} TO fairslot_availability
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
REVOKE ALL ON availability.{table} FROM fairslot_availability, fairslot_availability_worker;
GRANT SELECT, INSERT, UPDATE ON availability.{table} TO fairslot_availability;
"""


def upgrade() -> None:
    for statements in (COLUMNS, TABLES, *(WALLS.format(table=t) for t in ("calendar", "demand"))):
        op.get_bind().exec_driver_sql(statements)
