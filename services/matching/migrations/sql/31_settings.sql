-- How a tenant wants its work matched, and where its people stand with fairness.

CREATE TABLE matching.settings (
    tenant_id text PRIMARY KEY CHECK (tenant_id <> ''),
    fairness_unit text NOT NULL CHECK (fairness_unit IN ('DAYS', 'HOURS')),
    tolerance_percent int NOT NULL CHECK (tolerance_percent BETWEEN 0 AND 100),
    cutover date,
    weights jsonb NOT NULL,
    version bigint NOT NULL
);

-- On which side of the tolerance somebody was when it was last looked at; outside is told once.
CREATE TABLE matching.standing (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    month text NOT NULL,
    resource_id text NOT NULL,
    within_tolerance boolean NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, month, resource_id)
);

-- Answers to writes, by idempotency key.
CREATE TABLE matching.idem (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    caller text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, caller, method, key)
);
CREATE INDEX idem_by_age ON matching.idem (at);

CREATE TABLE matching.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    aggregate text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    published boolean NOT NULL DEFAULT false,
    stream_seq bigint,
    UNIQUE (tenant_id, aggregate, version, type)
);
CREATE INDEX outbox_unpublished ON matching.outbox (id) WHERE NOT published;

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['settings', 'standing', 'idem', 'outbox'] LOOP
        EXECUTE format('ALTER TABLE matching.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE matching.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON matching.%I TO fairslot_matching'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', v_table);
    END LOOP;
    -- Answers are forgotten and events are published across tenants.
    FOREACH v_table IN ARRAY ARRAY['idem', 'outbox'] LOOP
        EXECUTE format(
            'CREATE POLICY background ON matching.%I TO fairslot_matching_worker'
            ' USING (true) WITH CHECK (true)', v_table);
    END LOOP;
END $$;

REVOKE ALL ON matching.settings, matching.standing, matching.idem, matching.outbox
    FROM fairslot_matching, fairslot_matching_worker;
GRANT SELECT, INSERT, UPDATE ON matching.settings, matching.standing, matching.idem
    TO fairslot_matching;
GRANT INSERT, SELECT ON matching.outbox TO fairslot_matching;
GRANT SELECT, UPDATE ON matching.outbox TO fairslot_matching_worker;
GRANT SELECT, DELETE ON matching.idem TO fairslot_matching_worker;
