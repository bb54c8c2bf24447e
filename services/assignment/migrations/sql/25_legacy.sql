-- Records of another system, marked as such, and the day from which on fairness counts.

CREATE TABLE assignment.cutover (
    tenant_id text PRIMARY KEY,
    cutover_date date NOT NULL
);
ALTER TABLE assignment.cutover ENABLE ROW LEVEL SECURITY;
ALTER TABLE assignment.cutover FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON assignment.cutover TO fairslot_assignment
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
REVOKE ALL ON assignment.cutover FROM fairslot_assignment, fairslot_assignment_worker;
GRANT SELECT, INSERT, UPDATE ON assignment.cutover TO fairslot_assignment;

-- Takes over one record; returns its result. The resources of all records are locked. A record is
-- {legacy_id, resource_ids, service_type_id, slot_start, slot_end, state, party_size, customer_hash,
-- reason}, and {refused, detail} if it was found unfit already.
CREATE FUNCTION assignment.import_record(
    p_tenant text, p_actor text, p_record jsonb, p_at timestamptz
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_id text := 'legacy:' || (p_record ->> 'legacy_id');
    v_hash bytea := sha256(convert_to((p_record - 'refused' - 'detail')::text, 'UTF8'));
    v_start timestamptz := p_record ->> 'slot_start';
    v_end timestamptz := p_record ->> 'slot_end';
    v_state text := coalesce(nullif(p_record ->> 'state', ''),
                             CASE WHEN v_end <= p_at THEN 'COMPLETED' ELSE 'ASSIGNED' END);
    v_plan text[] := array(SELECT jsonb_array_elements_text(p_record -> 'resource_ids'));
    v_nos bigint[];
    v_blocked jsonb;
    v_generations jsonb;
    a assignment.allocation;
BEGIN
    IF p_record ? 'refused' THEN
        RETURN jsonb_build_object('outcome', 'REJECTED', 'reason', p_record -> 'refused',
                                  'detail', p_record -> 'detail');
    END IF;
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = v_id;
    IF FOUND THEN
        RETURN CASE WHEN a.legacy_hash = v_hash
            THEN jsonb_build_object('outcome', 'UNCHANGED', 'assignment_id', v_id)
            ELSE jsonb_build_object(
                'outcome', 'REJECTED', 'reason', 'ALREADY_EXISTS', 'assignment_id', v_id,
                'detail', 'it was imported before with other contents') END;
    END IF;
    SELECT array_agg(r.resource_no ORDER BY r.resource_no) INTO v_nos
    FROM assignment.resource AS r
    WHERE r.tenant_id = p_tenant AND r.resource_id = ANY (v_plan);
    IF v_state <> 'CANCELLED' THEN
        SELECT jsonb_agg(w.taken_by) INTO v_blocked
        FROM assignment.in_the_way(p_tenant, v_nos, v_start, v_end, p_at) AS w;
        IF v_blocked IS NOT NULL THEN
            RETURN jsonb_build_object(
                'outcome', 'REJECTED', 'reason', 'SLOT_TAKEN',
                'detail', format('%s is taken from %s to %s by %s',
                    v_blocked -> 0 ->> 'resource_id', v_blocked -> 0 ->> 'start',
                    v_blocked -> 0 ->> 'end', v_blocked -> 0 ->> 'assignment_id'));
        END IF;
        IF assignment.claim_span(p_tenant, v_id, v_nos, v_start, v_end) < cardinality(v_nos) THEN
            RAISE EXCEPTION 'the ledger moved' USING ERRCODE = 'serialization_failure';
        END IF;
        v_generations := assignment.bump(p_tenant, v_nos);
    END IF;
    INSERT INTO assignment.allocation (
        tenant_id, allocation_id, version, state, service_type_id, resource_ids, resource_nos,
        slot_start, slot_end, occupied_start, occupied_end, party_size, customer_hash, reason,
        created_by, assigned_by, assigned_at, cancel_reason, legacy_hash)
    VALUES (
        p_tenant, v_id, 1, v_state, p_record ->> 'service_type_id', v_plan, v_nos, v_start, v_end,
        v_start, v_end, coalesce((p_record ->> 'party_size')::integer, 0),
        coalesce(p_record ->> 'customer_hash', ''),
        coalesce(nullif(p_record ->> 'reason', ''), 'imported from another system'),
        p_actor, p_actor, p_at, CASE WHEN v_state = 'CANCELLED' THEN 'cancelled before' END, v_hash)
    RETURNING * INTO a;
    PERFORM assignment.record_step(
        a, NULL, v_generations, NULL, p_at, p_actor, 'import', a.reason);
    RETURN jsonb_build_object('outcome', 'IMPORTED', 'assignment_id', v_id);
END $$;

-- Takes over records, each with a result of its own; p_dry_run says what would happen and undoes it.
-- p_cutover is the day from which on fairness counts; null leaves it.
CREATE FUNCTION assignment.import_legacy(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_records jsonb, p_dry_run boolean, p_cutover date
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_results jsonb := '[]';
    v_record jsonb;
    v_at timestamptz;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    BEGIN
        PERFORM assignment.register_resources(p_tenant, array(
            SELECT DISTINCT n.id FROM jsonb_array_elements(p_records) AS e (record)
            CROSS JOIN LATERAL jsonb_array_elements_text(e.record -> 'resource_ids') AS n (id)
            WHERE NOT e.record ? 'refused'));
        PERFORM FROM assignment.resource AS r
        WHERE r.tenant_id = p_tenant AND r.resource_id IN (
            SELECT n.id FROM jsonb_array_elements(p_records) AS e (record)
            CROSS JOIN LATERAL jsonb_array_elements_text(e.record -> 'resource_ids') AS n (id))
        ORDER BY r.resource_no FOR NO KEY UPDATE;
        v_at := clock_timestamp();
        FOR v_record IN SELECT e.record FROM jsonb_array_elements(p_records)
                        WITH ORDINALITY AS e (record, n) ORDER BY e.n
        LOOP
            v_results := v_results || assignment.import_record(p_tenant, p_actor, v_record, v_at);
        END LOOP;
        IF p_cutover IS NOT NULL THEN
            INSERT INTO assignment.cutover VALUES (p_tenant, p_cutover)
            ON CONFLICT (tenant_id) DO UPDATE SET cutover_date = excluded.cutover_date;
        END IF;
        v_outcome := jsonb_build_object('report', jsonb_strip_nulls(jsonb_build_object(
            'results', v_results,
            'cutover_date', (SELECT c.cutover_date FROM assignment.cutover AS c
                             WHERE c.tenant_id = p_tenant))));
        IF p_dry_run THEN
            RAISE EXCEPTION 'only said' USING ERRCODE = 'LD005';
        END IF;
    EXCEPTION WHEN SQLSTATE 'LD005' THEN
        -- Undone; what was found out stays in the variables.
        NULL;
    END;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Committed work per resource and local day, of slots that touch the span, and how much of it is
-- legacy. A slot over midnight counts on each day it touches, with the minutes that fall on it.
DROP FUNCTION assignment.workload(text, timestamptz, timestamptz, text, text[]);
CREATE FUNCTION assignment.workload(
    p_tenant text, p_start timestamptz, p_end timestamptz, p_zone text, p_resource_ids text[]
) RETURNS TABLE (
    resource_id text, day date, bookings bigint, minutes bigint, delivered boolean, legacy bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN QUERY
    WITH touching AS (
        SELECT a.resource_ids, a.slot_start, a.slot_end, a.legacy_hash IS NOT NULL AS is_legacy
        FROM assignment.allocation AS a
        WHERE a.tenant_id = p_tenant AND a.state IN ('ASSIGNED', 'COMPLETED')
          AND a.slot_start < p_end AND a.slot_start >= p_start - interval '1 day'
          AND a.slot_end > p_start
        UNION ALL
        SELECT a.resource_ids, a.slot_start, a.slot_end, a.legacy_hash IS NOT NULL
        FROM assignment.allocation AS a
        WHERE a.tenant_id = p_tenant AND a.state IN ('ASSIGNED', 'COMPLETED')
          AND a.slot_start < p_start - interval '1 day'
          AND a.slot_start >= p_start - interval '31 days'
          AND a.slot_end > p_start AND a.slot_end - a.slot_start > interval '1 day'),
    work AS (
        SELECT x.id, a.slot_start, a.slot_end, a.is_legacy,
               (a.slot_start AT TIME ZONE p_zone)::date AS first_day,
               ((a.slot_end - interval '1 microsecond') AT TIME ZONE p_zone)::date AS last_day
        FROM touching AS a CROSS JOIN LATERAL unnest(a.resource_ids) AS x (id)
        WHERE p_resource_ids IS NULL OR x.id = ANY (p_resource_ids)),
    days AS (
        SELECT w.id, w.first_day AS day, w.slot_end, w.is_legacy,
               extract(epoch FROM w.slot_end - w.slot_start) AS seconds
        FROM work AS w WHERE w.first_day = w.last_day
        UNION ALL
        SELECT w.id, d.day::date, w.slot_end, w.is_legacy, extract(epoch FROM
               least(w.slot_end, (d.day + interval '1 day') AT TIME ZONE p_zone)
               - greatest(w.slot_start, d.day AT TIME ZONE p_zone))
        FROM work AS w CROSS JOIN LATERAL generate_series(
                 w.first_day::timestamp, w.last_day::timestamp, interval '1 day') AS d (day)
        WHERE w.first_day <> w.last_day)
    SELECT s.id, s.day, count(*), (sum(s.seconds) / 60)::bigint,
           bool_and(s.slot_end <= clock_timestamp()), count(*) FILTER (WHERE s.is_legacy)
    FROM days AS s GROUP BY s.id, s.day ORDER BY s.id, s.day;
END $$;

-- The tenant's cutover date, or null.
CREATE FUNCTION assignment.find_cutover(p_tenant text) RETURNS date LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN (SELECT c.cutover_date FROM assignment.cutover AS c WHERE c.tenant_id = p_tenant);
END $$;
