-- A plan's resources are found by a probe of each one's key, whatever else the tenant has: asked for
-- by id and in the order of their numbers at once, they were looked for among all of them.

CREATE FUNCTION assignment.numbers_of(p_tenant text, p_resource_ids text[]) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(r.resource_no) FROM unnest(p_resource_ids) AS n (id)
    CROSS JOIN LATERAL (
        SELECT x.resource_no FROM assignment.resource AS x
        WHERE x.tenant_id = p_tenant AND x.resource_id = n.id
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
          AND r.resource_no = ANY (assignment.numbers_of(p_tenant, p_plan) || p_replaced_nos)
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
