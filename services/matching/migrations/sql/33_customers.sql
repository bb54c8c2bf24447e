-- Who served which customer, as the ledger tells of it.

CREATE TABLE matching.service (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    assignment_id text NOT NULL,
    customer_hash text NOT NULL CHECK (customer_hash <> ''),
    resource_ids text[] NOT NULL,
    start_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, assignment_id)
);
CREATE INDEX service_of_customer ON matching.service (tenant_id, customer_hash, start_at DESC);
CREATE INDEX service_by_age ON matching.service (start_at);

ALTER TABLE matching.service ENABLE ROW LEVEL SECURITY;
ALTER TABLE matching.service FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON matching.service TO fairslot_matching
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
CREATE POLICY background ON matching.service TO fairslot_matching_worker
    USING (true) WITH CHECK (true);

REVOKE ALL ON matching.service FROM fairslot_matching, fairslot_matching_worker;
GRANT SELECT ON matching.service TO fairslot_matching;
GRANT SELECT, INSERT, UPDATE, DELETE ON matching.service TO fairslot_matching_worker;

-- The ledger is read again from its beginning; links that were made stay as they are.
DELETE FROM matching.projection WHERE stream = 'ASSIGNMENT';
