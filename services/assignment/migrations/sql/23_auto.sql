-- Assigning many requests without a person: runs, their tasks, and the gaps that are left.

-- One call of AutoAssign.
CREATE TABLE assignment.auto_run (
    tenant_id text NOT NULL,
    run_id text NOT NULL,
    -- In whose name its assignments are made.
    actor text NOT NULL,
    policy text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
-- One request of a run. Whoever takes it from the queue, once or twice, does it once.
CREATE TABLE assignment.auto_task (
    tenant_id text NOT NULL,
    run_id text NOT NULL,
    request_id text NOT NULL,
    -- What became of it, in the words of AutoResult; null: nothing yet.
    result jsonb,
    done_at timestamptz,
    PRIMARY KEY (tenant_id, run_id, request_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES assignment.auto_run ON DELETE CASCADE
);
CREATE INDEX auto_run_by_age ON assignment.auto_run (created_at);
-- Why a request could not be served when it was tried last. It counts while the request is OPEN.
CREATE TABLE assignment.gap (
    tenant_id text NOT NULL,
    request_id text NOT NULL,
    reasons jsonb NOT NULL,
    explanation text NOT NULL,
    attempts integer NOT NULL,
    tried_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES assignment.request
);
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['auto_run', 'auto_task', 'gap'] LOOP
        EXECUTE format('ALTER TABLE assignment.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE assignment.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON assignment.%I TO fairslot_assignment'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))',
            v_table);
        EXECUTE format(
            'CREATE POLICY background ON assignment.%I TO fairslot_assignment_worker'
            ' USING (true) WITH CHECK (true)', v_table);
    END LOOP;
END $$;
REVOKE ALL ON assignment.auto_run, assignment.auto_task, assignment.gap
    FROM fairslot_assignment, fairslot_assignment_worker;
GRANT SELECT, INSERT ON assignment.auto_run TO fairslot_assignment;
GRANT SELECT, INSERT, UPDATE ON assignment.auto_task TO fairslot_assignment;
GRANT SELECT, INSERT, UPDATE, DELETE ON assignment.gap TO fairslot_assignment;
GRANT SELECT, DELETE ON assignment.auto_run, assignment.auto_task TO fairslot_assignment_worker;

-- Begins a run over these requests, or with none named over all that are OPEN, oldest first, at most
-- p_max. Each becomes a message of the queue by the outbox of this transaction.
CREATE FUNCTION assignment.begin_auto(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_run_id text, p_request_ids text[], p_policy text, p_max integer
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_at timestamptz := clock_timestamp();
    v_wanted text[] := p_request_ids;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    IF v_wanted = '{}' THEN
        SELECT coalesce(array_agg(o.request_id ORDER BY o.created_at, o.request_id), '{}')
        INTO v_wanted FROM (
            SELECT q.request_id, q.created_at FROM assignment.request_now AS q
            WHERE q.tenant_id = p_tenant AND q.state_now = 'OPEN'
              AND q.created_at >= '-infinity'
            ORDER BY q.created_at, q.request_id LIMIT p_max) AS o;
    END IF;
    INSERT INTO assignment.auto_run VALUES (p_tenant, p_run_id, p_actor, p_policy, v_at);
    INSERT INTO assignment.auto_task (tenant_id, run_id, request_id)
    SELECT p_tenant, p_run_id, w.id FROM unnest(v_wanted) AS w (id);
    INSERT INTO assignment.outbox (tenant_id, aggregate, version, type, payload, at)
    SELECT p_tenant, p_run_id || '/' || w.id, 1, 'fairslot.assignment.v1.AutoAssignQueued',
           jsonb_build_object('run_id', p_run_id, 'booking_request_id', w.id), v_at
    FROM unnest(v_wanted) WITH ORDINALITY AS w (id, n) ORDER BY w.n;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, jsonb_build_object(
        'run', jsonb_build_object('id', p_run_id, 'total', cardinality(v_wanted))));
END $$;

-- What is to be done for one task: in whose name, by which policy; null where it is done, or gone.
CREATE FUNCTION assignment.find_auto(p_tenant text, p_run_id text, p_request_id text)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN (SELECT jsonb_build_object('actor', r.actor, 'policy', r.policy)
            FROM assignment.auto_task AS k JOIN assignment.auto_run AS r USING (tenant_id, run_id)
            WHERE k.tenant_id = p_tenant AND k.run_id = p_run_id AND k.request_id = p_request_id
              AND k.result IS NULL);
END $$;

-- Writes down what became of a task, once, and with p_gap that its request could not be served.
CREATE FUNCTION assignment.end_auto(
    p_tenant text, p_run_id text, p_request_id text, p_result jsonb, p_gap boolean
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    UPDATE assignment.auto_task SET result = p_result, done_at = clock_timestamp()
    WHERE tenant_id = p_tenant AND run_id = p_run_id AND request_id = p_request_id
      AND result IS NULL;
    IF FOUND AND p_gap THEN
        INSERT INTO assignment.gap VALUES (
            p_tenant, p_request_id, p_result -> 'reasons', p_result ->> 'explanation',
            (p_result ->> 'attempts')::integer, clock_timestamp())
        ON CONFLICT (tenant_id, request_id) DO UPDATE
        SET reasons = excluded.reasons, explanation = excluded.explanation,
            attempts = excluded.attempts, tried_at = excluded.tried_at;
    END IF;
END $$;

-- What became of the tasks of a run that are not in p_known, in the order in which they were done.
CREATE FUNCTION assignment.auto_results(p_tenant text, p_run_id text, p_known text[])
RETURNS TABLE (request_id text, result jsonb) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN QUERY
    SELECT k.request_id, k.result FROM assignment.auto_task AS k
    WHERE k.tenant_id = p_tenant AND k.run_id = p_run_id AND k.result IS NOT NULL
      AND k.request_id <> ALL (p_known)
    ORDER BY k.done_at, k.request_id;
END $$;

-- Open requests that could not be served when they were tried last, or whose window is over: by age,
-- after a place in that order.
CREATE FUNCTION assignment.gaps(
    p_tenant text, p_after timestamptz, p_after_id text, p_limit integer
) RETURNS TABLE (
    created_at timestamptz, request_id text, record jsonb, reasons jsonb, explanation text,
    attempts integer, tried_at timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN QUERY
    SELECT q.created_at, q.request_id, q.record, g.reasons, g.explanation, g.attempts, g.tried_at
    FROM assignment.request_now AS q
    LEFT JOIN assignment.gap AS g
      ON g.tenant_id = q.tenant_id AND g.request_id = q.request_id
    WHERE q.tenant_id = p_tenant AND q.state_now = 'OPEN'
      AND (q.created_at, q.request_id) > (p_after, p_after_id) AND q.created_at >= '-infinity'
      AND (g.request_id IS NOT NULL OR q.window_end <= clock_timestamp())
    ORDER BY q.created_at, q.request_id LIMIT p_limit;
END $$;
