-- Imported calendars in which something goes on for ever: what of them is read further when asked.
CREATE TABLE availability.open_calendar (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    resource_id text NOT NULL,
    id text NOT NULL,
    -- iCalendar text of what recurs, with its times alone.
    text text NOT NULL,
    -- Until when its occurrences are among the busy times.
    read_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, resource_id, id),
    FOREIGN KEY (tenant_id, resource_id, id) REFERENCES availability.calendar ON DELETE CASCADE
);
-- Every reading of a tenant asks for the first of them.
CREATE INDEX ON availability.open_calendar (tenant_id, read_until);
ALTER TABLE availability.open_calendar ENABLE ROW LEVEL SECURITY;
ALTER TABLE availability.open_calendar FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON availability.open_calendar TO fairslot_availability
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
REVOKE ALL ON availability.open_calendar FROM fairslot_availability, fairslot_availability_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON availability.open_calendar TO fairslot_availability;
