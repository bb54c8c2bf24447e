-- The audit log told to people, and sealed: every minute what was added since is hashed per tenant, each
-- seal over the one before, and the new head is said outside of the database. What a chain alone does
-- not show, that rows were cut off its end or made anew from its beginning, a seal does.

-- The transaction that wrote the row. A seal covers whole transactions: all that were over when the
-- oldest one still running began.
ALTER TABLE assignment.audit
    ADD COLUMN tx bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint);
-- Rows come in the order of time and, nearly, of transactions: a range of pages tells enough.
CREATE INDEX audit_by_tx ON assignment.audit USING brin (tx)
    WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX audit_by_time ON assignment.audit USING brin (at)
    WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE assignment.audit_seal (
    tenant_id text NOT NULL,
    number bigint NOT NULL,
    -- Transactions sealed: from, up to and not including to.
    tx_from bigint NOT NULL,
    tx_to bigint NOT NULL,
    steps bigint NOT NULL,
    -- Of the hashes of these rows, by aggregate and number.
    digest bytea NOT NULL,
    prev bytea NOT NULL,
    head bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
ALTER TABLE assignment.audit_seal ENABLE ROW LEVEL SECURITY;
ALTER TABLE assignment.audit_seal FORCE ROW LEVEL SECURITY;
CREATE POLICY background ON assignment.audit_seal TO fairslot_assignment_worker
    USING (true) WITH CHECK (true);
REVOKE ALL ON assignment.audit_seal FROM fairslot_assignment, fairslot_assignment_worker;
GRANT SELECT, INSERT ON assignment.audit_seal TO fairslot_assignment_worker;
CREATE TRIGGER seals_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON assignment.audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION assignment.refuse_audit_change();

-- The hash of everything one tenant wrote in a range of transactions, and how many rows that is.
CREATE FUNCTION assignment.audit_digest(p_tenant text, p_from bigint, p_to bigint)
RETURNS TABLE (steps bigint, digest bytea) LANGUAGE sql STABLE AS $$
    SELECT count(*), sha256(coalesce(
        string_agg(a.hash, ''::bytea ORDER BY a.aggregate COLLATE "C", a.seq), ''::bytea))
    FROM assignment.audit AS a
    WHERE a.tenant_id = p_tenant AND a.tx >= p_from AND a.tx < p_to
$$;

-- The head that a seal gives.
CREATE FUNCTION assignment.seal_head(
    p_prev bytea, p_tenant text, p_number bigint, p_from bigint, p_to bigint, p_steps bigint,
    p_digest bytea
) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(p_prev || p_digest || convert_to(
        jsonb_build_array(p_tenant, p_number, p_from, p_to, p_steps)::text, 'UTF8'))
$$;

-- Seals what was added since, for every tenant that added something, and returns the new seals. One
-- caller at a time.
CREATE FUNCTION assignment.seal_audit() RETURNS SETOF assignment.audit_seal
LANGUAGE plpgsql AS $$
DECLARE
    v_to bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    v_from bigint := (SELECT coalesce(max(s.tx_to), 0) FROM assignment.audit_seal AS s);
    v_tenant text;
    v_last assignment.audit_seal;
    v_seal assignment.audit_seal;
BEGIN
    FOR v_tenant IN SELECT DISTINCT a.tenant_id FROM assignment.audit AS a
                    WHERE a.tx >= v_from AND a.tx < v_to ORDER BY a.tenant_id
    LOOP
        SELECT s.* INTO v_last FROM assignment.audit_seal AS s
        WHERE s.tenant_id = v_tenant ORDER BY s.number DESC LIMIT 1;
        v_seal.tenant_id := v_tenant;
        v_seal.number := coalesce(v_last.number, 0) + 1;
        v_seal.tx_from := v_from;
        v_seal.tx_to := v_to;
        SELECT d.steps, d.digest INTO v_seal.steps, v_seal.digest
        FROM assignment.audit_digest(v_tenant, v_from, v_to) AS d;
        v_seal.prev := coalesce(v_last.head, sha256(convert_to(v_tenant, 'UTF8')));
        v_seal.head := assignment.seal_head(
            v_seal.prev, v_tenant, v_seal.number, v_from, v_to, v_seal.steps, v_seal.digest);
        v_seal.at := clock_timestamp();
        INSERT INTO assignment.audit_seal VALUES (v_seal.*);
        INSERT INTO assignment.outbox (tenant_id, aggregate, version, type, payload, at) VALUES (
            v_tenant, 'audit', v_seal.number, 'fairslot.assignment.v1.AuditSealed',
            jsonb_build_object('number', v_seal.number, 'head', encode(v_seal.head, 'base64'),
                               'steps', v_seal.steps, 'at', v_seal.at), v_seal.at);
        RETURN NEXT v_seal;
    END LOOP;
END $$;

-- What is wrong with one tenant's seals: a seal that does not follow from the one before or from the
-- rows it covers, and rows between seals that none covers.
CREATE FUNCTION assignment.broken_seals(p_tenant text)
RETURNS TABLE (number bigint, what text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    WITH seals AS (
        SELECT s.*, d.steps AS steps_again, d.digest AS digest_again,
               coalesce(lag(s.head) OVER w, sha256(convert_to(p_tenant, 'UTF8'))) AS head_before,
               coalesce(lag(s.number) OVER w, 0) AS number_before,
               coalesce(lag(s.tx_to) OVER w, 0) AS tx_before
        FROM assignment.audit_seal AS s
        CROSS JOIN LATERAL assignment.audit_digest(s.tenant_id, s.tx_from, s.tx_to) AS d
        WHERE s.tenant_id = p_tenant
        WINDOW w AS (ORDER BY s.number))
    SELECT s.number, CASE
        WHEN s.number <> s.number_before + 1 THEN 'a seal before it is missing'
        WHEN s.prev <> s.head_before THEN 'it does not follow from the seal before'
        WHEN s.steps <> s.steps_again THEN format(
            'it covers %s steps, of which %s are left', s.steps, s.steps_again)
        WHEN s.digest <> s.digest_again THEN 'the steps it covers were changed'
        WHEN g.steps > 0 THEN 'steps were slipped in before it'
        ELSE 'its head is not its own' END
    FROM seals AS s
    CROSS JOIN LATERAL assignment.audit_digest(p_tenant, s.tx_before, s.tx_from) AS g
    WHERE s.number <> s.number_before + 1 OR s.prev <> s.head_before OR s.steps <> s.steps_again
       OR s.digest <> s.digest_again OR g.steps > 0
       OR s.head <> assignment.seal_head(
           s.prev, p_tenant, s.number, s.tx_from, s.tx_to, s.steps, s.digest);
END $$;
GRANT SELECT ON assignment.allocation TO fairslot_assignment_worker;

-- Steps of one assignment, of one request with all that served it, or of a span of time; after a place
-- in their order, which is when, then whose, then number. What was before a step is the step before.
CREATE FUNCTION assignment.list_audit(
    p_tenant text, p_allocation_id text, p_request_id text, p_start timestamptz, p_end timestamptz,
    p_actor text, p_after timestamptz, p_after_aggregate text, p_after_seq bigint, p_limit integer
) RETURNS TABLE (entry assignment.audit, before jsonb) LANGUAGE plpgsql AS $$
DECLARE
    v_aggregates text[];
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    IF p_allocation_id IS NOT NULL THEN
        v_aggregates := array['assignments/' || p_allocation_id];
    END IF;
    IF p_request_id IS NOT NULL THEN
        v_aggregates := coalesce(v_aggregates, '{}') || ('requests/' || p_request_id) || array(
            SELECT 'assignments/' || x.allocation_id FROM assignment.allocation AS x
            WHERE x.tenant_id = p_tenant AND x.request_id = p_request_id);
    END IF;
    RETURN QUERY
    SELECT a, b.after FROM assignment.audit AS a
    LEFT JOIN LATERAL (
        SELECT c.after FROM assignment.audit AS c
        WHERE c.tenant_id = a.tenant_id AND c.aggregate = a.aggregate AND c.seq < a.seq
        ORDER BY c.seq DESC LIMIT 1) AS b ON true
    WHERE a.tenant_id = p_tenant AND a.at >= p_start AND a.at < p_end
      AND (v_aggregates IS NULL OR a.aggregate = ANY (v_aggregates))
      AND (p_actor IS NULL OR a.actor = p_actor)
      AND (a.at, a.aggregate, a.seq) > (p_after, p_after_aggregate, p_after_seq)
    ORDER BY a.at, a.aggregate, a.seq LIMIT p_limit;
END $$;
