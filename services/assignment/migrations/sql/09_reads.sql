-- Reads on the hot path, each one round trip.

-- Booking requests as they stand at this moment: a hold that is over no longer holds its request,
-- whether or not the sweeper has come by.
CREATE VIEW assignment.request_now WITH (security_invoker = true) AS
SELECT r.*, coalesce(d.is_dead, false) AS is_dead,
       CASE WHEN d.is_dead THEN 'OPEN' ELSE r.state END AS state_now,
       assignment.request_record(r) || CASE WHEN d.is_dead
           THEN '{"state": "OPEN", "assignment_id": ""}'::jsonb ELSE '{}'::jsonb END AS record
FROM assignment.request AS r
LEFT JOIN LATERAL (
    SELECT a.hold_expires_at <= clock_timestamp() AS is_dead FROM assignment.allocation AS a
    WHERE r.state = 'HELD' AND a.tenant_id = r.tenant_id AND a.allocation_id = r.allocation_id
) AS d ON true;
GRANT SELECT ON assignment.request_now TO fairslot_assignment;

-- One booking request, or null.
CREATE FUNCTION assignment.find_request(p_tenant text, p_request_id text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN (SELECT q.record FROM assignment.request_now AS q
            WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id);
END $$;

-- One allocation with its generations, or null; found by its token too, where that is given.
-- dead: it is a hold and its time is over. place, customer_hash: what a question about it needs.
CREATE FUNCTION assignment.find_allocation(
    p_tenant text, p_allocation_id text, p_token_hash bytea
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    a assignment.allocation;
    v_now timestamptz;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
      AND (p_token_hash IS NULL OR x.hold_token_hash = p_token_hash);
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v_now := clock_timestamp();
    RETURN assignment.unchanged(a) || jsonb_build_object(
        'now', v_now, 'dead', a.state = 'HELD' AND a.hold_expires_at <= v_now);
END $$;

-- What was answered to a key before, or null.
CREATE FUNCTION assignment.find_outcome(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
END $$;

-- Committed work per resource and local day, of slots that touch the span. A slot over midnight
-- counts on each day it touches, with the minutes that fall on it.
CREATE FUNCTION assignment.workload(
    p_tenant text, p_start timestamptz, p_end timestamptz, p_zone text, p_resource_ids text[]
) RETURNS TABLE (resource_id text, day date, bookings bigint, minutes bigint, delivered boolean)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN QUERY
    WITH touching AS (
        SELECT a.resource_ids, a.slot_start, a.slot_end FROM assignment.allocation AS a
        WHERE a.tenant_id = p_tenant AND a.state IN ('ASSIGNED', 'COMPLETED')
          AND a.slot_start < p_end AND a.slot_start >= p_start - interval '1 day'
          AND a.slot_end > p_start
        UNION ALL
        SELECT a.resource_ids, a.slot_start, a.slot_end FROM assignment.allocation AS a
        WHERE a.tenant_id = p_tenant AND a.state IN ('ASSIGNED', 'COMPLETED')
          AND a.slot_start < p_start - interval '1 day'
          AND a.slot_start >= p_start - interval '31 days'
          AND a.slot_end > p_start AND a.slot_end - a.slot_start > interval '1 day'),
    work AS (
        SELECT x.id, a.slot_start, a.slot_end,
               (a.slot_start AT TIME ZONE p_zone)::date AS first_day,
               ((a.slot_end - interval '1 microsecond') AT TIME ZONE p_zone)::date AS last_day
        FROM touching AS a CROSS JOIN LATERAL unnest(a.resource_ids) AS x (id)
        WHERE p_resource_ids IS NULL OR x.id = ANY (p_resource_ids)),
    days AS (
        SELECT w.id, w.first_day AS day, w.slot_end,
               extract(epoch FROM w.slot_end - w.slot_start) AS seconds
        FROM work AS w WHERE w.first_day = w.last_day
        UNION ALL
        SELECT w.id, d.day::date, w.slot_end, extract(epoch FROM
               least(w.slot_end, (d.day + interval '1 day') AT TIME ZONE p_zone)
               - greatest(w.slot_start, d.day AT TIME ZONE p_zone))
        FROM work AS w CROSS JOIN LATERAL generate_series(
                 w.first_day::timestamp, w.last_day::timestamp, interval '1 day') AS d (day)
        WHERE w.first_day <> w.last_day)
    SELECT s.id, s.day, count(*), (sum(s.seconds) / 60)::bigint,
           bool_and(s.slot_end <= clock_timestamp())
    FROM days AS s GROUP BY s.id, s.day ORDER BY s.id, s.day;
END $$;

-- What is wrong with the audit log of one tenant: rows that do not follow from the one before them,
-- and allocations whose last step is not written down.
CREATE FUNCTION assignment.broken_audit(p_tenant text)
RETURNS TABLE (aggregate text, seq bigint, what text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN QUERY
    WITH chain AS (
        SELECT a.aggregate, a.seq, a.prev, a.hash,
               assignment.audit_hash(
                   a.prev, a.aggregate, a.seq, a.at, a.actor, a.action, a.reason, a.state_before,
                   a.state_after, a.after) AS hash_again,
               coalesce(lag(a.hash) OVER w,
                        assignment.audit_genesis(p_tenant, a.aggregate)) AS hash_before,
               coalesce(lag(a.seq) OVER w, 0) AS seq_before
        FROM assignment.audit AS a WHERE a.tenant_id = p_tenant
        WINDOW w AS (PARTITION BY a.aggregate ORDER BY a.seq))
    SELECT c.aggregate, c.seq,
           CASE WHEN c.hash <> c.hash_again THEN 'the row was changed'
                WHEN c.prev <> c.hash_before THEN 'it does not follow from the row before'
                ELSE 'a row is missing' END
    FROM chain AS c
    WHERE c.hash <> c.hash_again OR c.prev <> c.hash_before
       OR (c.seq <> c.seq_before + 1 AND c.aggregate LIKE 'assignments/%')
    UNION ALL
    SELECT 'assignments/' || a.allocation_id, a.version, 'the last row is missing'
    FROM assignment.allocation AS a
    WHERE a.tenant_id = p_tenant AND NOT EXISTS (
        SELECT FROM assignment.audit AS c
        WHERE c.tenant_id = p_tenant AND c.aggregate = 'assignments/' || a.allocation_id
          AND c.seq = a.version AND c.state_after = a.state);
END $$;
