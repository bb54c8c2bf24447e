-- What outside calendars told us, once each, and the newest revision of each of their bookings.

CREATE TABLE gateway.received (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id text NOT NULL DEFAULT uuidv7()::text,
    -- SHA-256 of the raw body: the same message is taken once.
    body_hash bytea NOT NULL,
    trigger text NOT NULL,
    happening text NOT NULL CHECK (happening IN ('CREATED', 'RESCHEDULED', 'CANCELLED', 'OTHER')),
    uid text NOT NULL,
    replaced_uid text NOT NULL,
    revision bigint NOT NULL,
    start_at timestamptz,
    end_at timestamptz,
    event_type_keys text[] NOT NULL,
    -- [["ada@example.com", "ada"], ...]
    users jsonb NOT NULL,
    told_at timestamptz NOT NULL,
    outcome text NOT NULL DEFAULT 'WAITING' CHECK (outcome IN
        ('WAITING', 'APPLIED', 'OLD', 'UNKNOWN_EVENT_TYPE', 'UNKNOWN_RESOURCE', 'IGNORED')),
    service_type_id text NOT NULL DEFAULT '',
    required_skills text[] NOT NULL DEFAULT '{}',
    resource_ids text[] NOT NULL DEFAULT '{}',
    missing_skills text[] NOT NULL DEFAULT '{}',
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When another process may take it on.
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, body_hash)
);
CREATE INDEX received_waiting ON gateway.received (next_at) WHERE outcome = 'WAITING';
CREATE INDEX received_listed ON gateway.received (tenant_id, received_at DESC, id DESC);
CREATE INDEX received_age ON gateway.received (received_at);

CREATE TABLE gateway.booking (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    uid text NOT NULL,
    revision bigint NOT NULL,
    -- Every resource that it ever took the time of.
    resource_ids text[] NOT NULL,
    PRIMARY KEY (tenant_id, uid)
);

-- Row-level security as a second wall between tenants, and the fewest grants that work.
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['received', 'booking'] LOOP
        EXECUTE format('ALTER TABLE gateway.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE gateway.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON gateway.%I TO fairslot_gateway'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', v_table);
    END LOOP;
    -- What was left waiting is taken on across tenants.
    EXECUTE 'CREATE POLICY background ON gateway.received TO fairslot_gateway_worker'
        ' USING (true) WITH CHECK (true)';
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA gateway FROM fairslot_gateway, fairslot_gateway_worker;
GRANT USAGE ON SCHEMA gateway TO fairslot_gateway, fairslot_gateway_worker;
GRANT SELECT, INSERT, UPDATE ON gateway.received, gateway.booking TO fairslot_gateway;
GRANT SELECT, DELETE ON gateway.received TO fairslot_gateway_worker;
GRANT UPDATE (next_at) ON gateway.received TO fairslot_gateway_worker;
