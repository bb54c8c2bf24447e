-- What was decided, on what, what became of it, and what another policy would have decided.

-- A ranking that was answered. Kept for good once it led to a commit, else for a day.
CREATE TABLE matching.ranking (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    policy text NOT NULL,
    service_type_id text NOT NULL,
    booking_request_id text NOT NULL,
    -- The best candidate: {"resource_ids", "start", "match_percent"}.
    pick jsonb NOT NULL,
    -- Each candidate that was answered, as its resources and the minute it starts.
    places text[] NOT NULL,
    -- All it was decided on; engine/decisions/codec.py reads it.
    inputs bytea NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ranking_lately ON matching.ranking (tenant_id, service_type_id, at DESC);
CREATE INDEX ranking_by_age ON matching.ranking (at);

-- An assignment that was made of one of a ranking's candidates.
CREATE TABLE matching.decision (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    assignment_id text NOT NULL,
    ranking_id uuid NOT NULL,
    booking_request_id text NOT NULL,
    at timestamptz NOT NULL,
    resource_ids text[] NOT NULL,
    start_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, assignment_id),
    FOREIGN KEY (tenant_id, ranking_id) REFERENCES matching.ranking (tenant_id, id)
);
CREATE INDEX decision_lately ON matching.decision (tenant_id, at DESC);
CREATE INDEX decision_of_ranking ON matching.decision (tenant_id, ranking_id);

-- What a second policy made of the same inputs; it never touched the ledger.
CREATE TABLE matching.shadow_pair (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    ranking_id uuid NOT NULL,
    at timestamptz NOT NULL,
    deciding_policy text NOT NULL,
    other_policy text NOT NULL,
    -- The comparison's fields as engine/decisions/comparing.py names them.
    comparison jsonb NOT NULL,
    PRIMARY KEY (tenant_id, ranking_id, other_policy)
);
CREATE INDEX shadow_pair_lately ON matching.shadow_pair (tenant_id, at DESC);

-- How far the ledger's stream was read; a stream made anew is another one.
CREATE TABLE matching.projection (
    stream text PRIMARY KEY,
    made_at text NOT NULL,
    position bigint NOT NULL
);

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['ranking', 'decision', 'shadow_pair'] LOOP
        EXECUTE format('ALTER TABLE matching.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE matching.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON matching.%I TO fairslot_matching'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', v_table);
        -- What is kept is written beside the calls, across tenants.
        EXECUTE format(
            'CREATE POLICY background ON matching.%I TO fairslot_matching_worker'
            ' USING (true) WITH CHECK (true)', v_table);
    END LOOP;
END $$;

REVOKE ALL ON matching.ranking, matching.decision, matching.shadow_pair, matching.projection
    FROM fairslot_matching, fairslot_matching_worker;
GRANT SELECT ON matching.ranking, matching.decision, matching.shadow_pair TO fairslot_matching;
GRANT SELECT, INSERT, DELETE ON matching.ranking, matching.shadow_pair TO fairslot_matching_worker;
GRANT SELECT, INSERT ON matching.decision TO fairslot_matching_worker;
GRANT SELECT, INSERT, UPDATE ON matching.projection TO fairslot_matching_worker;
