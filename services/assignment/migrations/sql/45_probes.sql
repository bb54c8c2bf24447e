-- Who is in the way, and what gives way, is found by probes of whole keys, also while the planner
-- knows nothing of the tables.

-- The allocations whose claims overlap a span on some resources; is_dead: a hold whose time is
-- over. Claims of one resource do not overlap, so the last one that starts at or before the span is
-- the only earlier one that can reach into it: two probes of the key, whatever the ledger's size.
-- Each OFFSET 0 keeps one step a probe by its whole key: a plan that was made while the tables were
-- small, and kept, would read every allocation of a tenant for each that is in the way.
CREATE OR REPLACE FUNCTION assignment.in_the_way(
    p_tenant text, p_resource_nos bigint[], p_start timestamptz, p_end timestamptz,
    p_at timestamptz
) RETURNS TABLE (allocation_id text, is_dead boolean, taken_by jsonb) LANGUAGE sql STABLE AS $$
    SELECT a.allocation_id, a.state = 'HELD' AND a.hold_expires_at <= p_at,
           jsonb_build_object(
               'resource_id', r.resource_id, 'assignment_id', a.allocation_id, 'state', a.state,
               'booking_request_id', a.request_id, 'start', a.slot_start, 'end', a.slot_end,
               'taken_by', coalesce(a.assigned_by, a.created_by))
    FROM unnest(p_resource_nos) AS n (no)
    CROSS JOIN LATERAL (
        SELECT coalesce(max(f.starts_at), p_start) AS starts_at FROM (
            SELECT e.starts_at FROM assignment.claim AS e
            WHERE e.tenant_id = p_tenant AND e.resource_no = n.no AND e.starts_at <= p_start
            ORDER BY e.starts_at DESC LIMIT 1) AS f
    ) AS first
    CROSS JOIN LATERAL (
        SELECT x.allocation_id FROM assignment.claim AS x
        WHERE x.tenant_id = p_tenant AND x.resource_no = n.no
          AND x.starts_at >= first.starts_at AND x.starts_at < p_end AND x.ends_at > p_start
        OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
        SELECT y.* FROM assignment.allocation AS y
        WHERE y.tenant_id = p_tenant AND y.allocation_id = c.allocation_id
        OFFSET 0
    ) AS a
    CROSS JOIN LATERAL (
        SELECT z.resource_id FROM assignment.resource AS z
        WHERE z.tenant_id = p_tenant AND z.resource_no = n.no
        OFFSET 0
    ) AS r
$$;

-- Takes a span on all resources of a plan. If it is blocked the caller undoes what was done: some
-- of the claims may have been taken. p_own_dead is a dead hold of the same request, p_replaced a
-- live hold or assignment that gives way.
CREATE OR REPLACE FUNCTION assignment.take(
    p_tenant text, p_allocation_id text, p_plan text[], p_start timestamptz, p_end timestamptz,
    p_own_dead text, p_replaced text, p_replaced_nos bigint[]
) RETURNS assignment.taking LANGUAGE plpgsql AS $$
DECLARE
    t assignment.taking;
    v_freed bigint[];
    v_starts timestamptz[];
    v_claimed integer := 0;
BEGIN
    t.plan := p_plan;
    SELECT array_agg(s.resource_no ORDER BY s.resource_no)
           FILTER (WHERE s.resource_id = ANY (p_plan))
    INTO t.nos FROM (
        SELECT r.resource_no, r.resource_id FROM assignment.resource AS r
        WHERE r.tenant_id = p_tenant
          AND (r.resource_id = ANY (p_plan) OR r.resource_no = ANY (p_replaced_nos))
        ORDER BY r.resource_no FOR NO KEY UPDATE) AS s;
    IF coalesce(cardinality(t.nos), 0) < cardinality(p_plan) THEN
        RAISE EXCEPTION 'a resource is not registered' USING ERRCODE = 'LD004';
    END IF;
    t.at := clock_timestamp();
    IF p_own_dead IS NULL AND p_replaced IS NULL THEN
        -- Try first, look later: almost always nothing is in the way.
        v_claimed := assignment.claim_span(p_tenant, p_allocation_id, t.nos, p_start, p_end);
        IF v_claimed = cardinality(t.nos) THEN
            RETURN t;
        END IF;
    END IF;
    SELECT coalesce(array_agg(DISTINCT w.allocation_id) FILTER (WHERE w.is_dead), '{}'),
           jsonb_agg(w.taken_by) FILTER (WHERE NOT w.is_dead)
    INTO t.dead, t.blocked
    FROM assignment.in_the_way(p_tenant, t.nos, p_start, p_end, t.at) AS w
    WHERE w.allocation_id <> p_allocation_id AND w.allocation_id IS DISTINCT FROM p_replaced;
    IF t.blocked IS NOT NULL THEN
        RETURN t;
    END IF;
    t.dead := array_remove(t.dead || p_own_dead, NULL);
    PERFORM FROM assignment.allocation AS a
    WHERE a.tenant_id = p_tenant AND a.allocation_id = ANY (t.dead || p_replaced)
    ORDER BY a.allocation_id FOR NO KEY UPDATE;
    -- Looked at again under their locks: one may have been confirmed or expired meanwhile.
    SELECT array_agg(DISTINCT a.allocation_id)
               FILTER (WHERE a.state = 'HELD' AND a.hold_expires_at <= t.at),
           array_agg(DISTINCT n.no), array_agg(DISTINCT a.occupied_start)
    INTO t.dead, v_freed, v_starts
    FROM assignment.allocation AS a CROSS JOIN LATERAL unnest(a.resource_nos) AS n (no)
    WHERE a.tenant_id = p_tenant AND a.allocation_id = ANY (t.dead || p_replaced)
      AND ((a.state = 'HELD' AND a.hold_expires_at <= t.at)
           OR (a.state IN ('HELD', 'ASSIGNED') AND a.allocation_id = p_replaced));
    DELETE FROM assignment.claim AS c
    WHERE c.tenant_id = p_tenant AND c.resource_no = ANY (v_freed)
      AND c.starts_at = ANY (v_starts) AND c.allocation_id = ANY (t.dead || p_replaced);
    IF v_claimed + assignment.claim_span(p_tenant, p_allocation_id, t.nos, p_start, p_end)
       < cardinality(t.nos) THEN
        RAISE EXCEPTION 'the ledger moved' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN t;
END $$;

-- Says which of a resource's limits one more slot would break, or null. Live holds, assignments and
-- completed ones count, each wholly for the resource's own day and week (from Monday) on which its
-- slot starts. The caller has locked the resource, so nobody else adds to it meanwhile.
CREATE OR REPLACE FUNCTION assignment.refusal_of_limits(
    p_tenant text, p_resource_id text, p_limits jsonb, p_slot_start timestamptz,
    p_slot_end timestamptz, p_replaced text, p_at timestamptz
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_zone text := p_limits ->> 'zone';
    v_day date := (p_slot_start AT TIME ZONE v_zone)::date;
    v_monday timestamp := date_trunc('week', v_day::timestamp);
    v_broken record;
BEGIN
    WITH week AS (
        SELECT a.slot_start, a.slot_end FROM assignment.in_the_way(
            p_tenant,
            (SELECT array_agg(r.resource_no) FROM assignment.resource AS r
             WHERE r.tenant_id = p_tenant AND r.resource_id = p_resource_id),
            -- Buffers and the ends of long slots reach out of the week; starts alone decide below.
            v_monday AT TIME ZONE v_zone - interval '1 day',
            (v_monday + interval '7 days') AT TIME ZONE v_zone + interval '1 day', p_at) AS w
        CROSS JOIN LATERAL (
            SELECT y.slot_start, y.slot_end FROM assignment.allocation AS y
            WHERE y.tenant_id = p_tenant AND y.allocation_id = w.allocation_id
            OFFSET 0
        ) AS a
        WHERE NOT w.is_dead AND w.allocation_id IS DISTINCT FROM p_replaced
        UNION ALL SELECT p_slot_start, p_slot_end),
    started AS (
        SELECT (k.slot_start AT TIME ZONE v_zone)::date AS day,
               extract(epoch FROM k.slot_end - k.slot_start) / 60 AS minutes
        FROM week AS k
        WHERE date_trunc('week', k.slot_start AT TIME ZONE v_zone) = v_monday),
    sums (name, reached) AS (
        SELECT 'per_day', count(*) FROM started AS s WHERE s.day = v_day
        UNION ALL SELECT 'minutes_per_day', sum(s.minutes) FROM started AS s WHERE s.day = v_day
        UNION ALL SELECT 'per_week', count(*) FROM started AS s)
    SELECT s.name, (p_limits ->> s.name)::bigint AS allowed INTO v_broken
    FROM sums AS s
    WHERE (p_limits ->> s.name)::bigint > 0 AND s.reached > (p_limits ->> s.name)::bigint
    ORDER BY s.name LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN assignment.refusal('NOT_AVAILABLE', jsonb_build_object(
        'resource_id', p_resource_id,
        'obstacles', CASE v_broken.name WHEN 'per_day' THEN 'DAY_LIMIT'
                          WHEN 'per_week' THEN 'WEEK_LIMIT' ELSE 'MINUTES_LIMIT' END,
        'allowed', v_broken.allowed, 'day', v_day,
        'detail', format('its limit %s of %s is reached', v_broken.name, v_broken.allowed)));
END $$;

-- The live holds and assignments of some resources, or with null of all, that have not ended yet: up
-- to p_limit of them after a place in their order, which is start, then id.
CREATE OR REPLACE FUNCTION assignment.to_come(
    p_tenant text, p_resource_ids text[], p_after timestamptz, p_after_id text, p_limit integer
) RETURNS TABLE (record jsonb, place jsonb, required jsonb) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN QUERY
    SELECT assignment.allocation_record(a), a.place, q.wish -> 'required_skills'
    FROM (
        SELECT DISTINCT w.allocation_id
        FROM assignment.in_the_way(
            p_tenant,
            (SELECT array_agg(r.resource_no) FROM assignment.resource AS r
             WHERE r.tenant_id = p_tenant
               AND (p_resource_ids IS NULL OR r.resource_id = ANY (p_resource_ids))),
            clock_timestamp(), 'infinity', clock_timestamp()) AS w
        WHERE NOT w.is_dead) AS c
    CROSS JOIN LATERAL (
        SELECT y.* FROM assignment.allocation AS y
        WHERE y.tenant_id = p_tenant AND y.allocation_id = c.allocation_id
        OFFSET 0
    ) AS a
    LEFT JOIN assignment.request AS q
      ON q.tenant_id = p_tenant AND q.request_id = a.request_id
    WHERE a.state IN ('HELD', 'ASSIGNED')
      AND (a.slot_start, a.allocation_id) > (p_after, p_after_id)
    ORDER BY a.slot_start, a.allocation_id LIMIT p_limit;
END $$;
