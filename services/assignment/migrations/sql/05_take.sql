-- Taking time: the part that must never be wrong.

-- The allocations whose claims overlap a span on some resources; is_dead: a hold whose time is
-- over. Claims of one resource do not overlap, so the last one that starts at or before the span is
-- the only earlier one that can reach into it: two probes of the key, whatever the ledger's size.
CREATE FUNCTION assignment.in_the_way(
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
        -- Keeps it a probe with both limits, whatever the planner thinks of the tables beside it.
        OFFSET 0
    ) AS c
    JOIN assignment.allocation AS a
      ON a.tenant_id = p_tenant AND a.allocation_id = c.allocation_id
    JOIN assignment.resource AS r ON r.tenant_id = p_tenant AND r.resource_no = n.no
$$;

-- What take found: the database's clock, read once, after the locks; the plan taken, and its
-- resources ascending; the dead holds it removed, to be written down; who has it, if it was not
-- taken.
CREATE TYPE assignment.taking AS (
    at timestamptz, plan text[], nos bigint[], dead text[], blocked jsonb
);

-- Takes a span on all resources of a plan. If it is blocked the caller undoes what was done: some
-- of the claims may have been taken. p_own_dead is a dead hold of the same request, p_replaced a
-- live one that gives way.
CREATE FUNCTION assignment.take(
    p_tenant text, p_allocation_id text, p_plan text[], p_start timestamptz, p_end timestamptz,
    p_own_dead text, p_replaced text, p_replaced_nos bigint[]
) RETURNS assignment.taking LANGUAGE plpgsql AS $$
DECLARE
    t assignment.taking;
    v_freed bigint[];
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
    SELECT array_agg(DISTINCT a.allocation_id) FILTER (WHERE a.hold_expires_at <= t.at),
           array_agg(DISTINCT n.no)
    INTO t.dead, v_freed
    FROM assignment.allocation AS a CROSS JOIN LATERAL unnest(a.resource_nos) AS n (no)
    WHERE a.tenant_id = p_tenant AND a.allocation_id = ANY (t.dead || p_replaced)
      AND a.state = 'HELD' AND (a.hold_expires_at <= t.at OR a.allocation_id = p_replaced);
    DELETE FROM assignment.claim AS c
    WHERE c.tenant_id = p_tenant AND c.resource_no = ANY (v_freed)
      AND c.allocation_id = ANY (t.dead || p_replaced);
    IF v_claimed + assignment.claim_span(p_tenant, p_allocation_id, t.nos, p_start, p_end)
       < cardinality(t.nos) THEN
        RAISE EXCEPTION 'the ledger moved' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN t;
END $$;

-- Takes a span on a plan, or with p_any on the first of some resources that has it free, best
-- first. The locks of what turns out taken are given back at once, by undoing a subtransaction:
-- whoever waits for them need not wait for this commit, and with p_any at most one is held while
-- waiting for the next, which cannot close a circle.
CREATE FUNCTION assignment.take_first(
    p_tenant text, p_allocation_id text, p_resource_ids text[], p_any boolean, p_start timestamptz,
    p_end timestamptz, p_own_dead text, p_replaced text, p_replaced_nos bigint[]
) RETURNS assignment.taking LANGUAGE plpgsql AS $$
DECLARE
    -- Beyond 64 subtransactions the whole server pays.
    c_max_tries CONSTANT integer := 48;
    v_tries integer := 0;
    v_plan text[];
    t assignment.taking;
BEGIN
    FOR i IN 1 .. CASE WHEN p_any THEN cardinality(p_resource_ids) ELSE 1 END LOOP
        v_plan := CASE WHEN p_any THEN p_resource_ids[i:i] ELSE p_resource_ids END;
        -- One of many that is visibly taken is passed by without a lock.
        CONTINUE WHEN p_any AND EXISTS (
            SELECT FROM assignment.in_the_way(
                p_tenant,
                (SELECT array_agg(r.resource_no) FROM assignment.resource AS r
                 WHERE r.tenant_id = p_tenant AND r.resource_id = v_plan[1]),
                p_start, p_end, clock_timestamp()) AS w
            WHERE NOT w.is_dead AND w.allocation_id IS DISTINCT FROM p_replaced);
        EXIT WHEN v_tries = c_max_tries;
        v_tries := v_tries + 1;
        BEGIN
            t := assignment.take(p_tenant, p_allocation_id, v_plan, p_start, p_end,
                                 p_own_dead, p_replaced, p_replaced_nos);
            IF t.blocked IS NULL THEN
                RETURN t;
            END IF;
            RAISE EXCEPTION 'taken' USING ERRCODE = 'LD005';
        EXCEPTION WHEN SQLSTATE 'LD005' THEN
            NULL;
        END;
    END LOOP;
    IF p_any THEN
        t := NULL;
        t.blocked := '[]';
    END IF;
    RETURN t;
END $$;

-- Inserts the claims that nothing is in the way of; returns how many. No conflict aborts anything:
-- neither the exclusion constraint nor the key (an equal start) is named, so both give way.
CREATE FUNCTION assignment.claim_span(
    p_tenant text, p_allocation_id text, p_resource_nos bigint[], p_start timestamptz,
    p_end timestamptz
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_rows integer;
BEGIN
    INSERT INTO assignment.claim (tenant_id, resource_no, starts_at, ends_at, allocation_id)
    SELECT p_tenant, n.no, p_start, p_end, p_allocation_id
    FROM unnest(p_resource_nos) AS n (no) ORDER BY n.no
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END $$;

-- Raises the generation of resources the caller has locked; returns {resource id: generation}.
CREATE FUNCTION assignment.bump(p_tenant text, p_resource_nos bigint[]) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    v_generations jsonb;
BEGIN
    WITH bumped AS (
        UPDATE assignment.resource SET generation = generation + 1
        WHERE tenant_id = p_tenant AND resource_no = ANY (p_resource_nos)
        RETURNING resource_id, generation)
    SELECT jsonb_object_agg(resource_id, generation) INTO v_generations FROM bumped;
    RETURN v_generations;
END $$;

-- Ends an allocation without service (p_state RELEASED, EXPIRED or CANCELLED): takes its claims
-- away, moves its request to p_request_state and writes it down. The caller has locked it. An
-- expiry raises no generation: whoever knows of the hold knows when it ends.
CREATE FUNCTION assignment.end_allocation(
    a assignment.allocation, p_state text, p_request_state text, p_at timestamptz, p_actor text,
    p_action text, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_before text := a.state;
    r assignment.request;
    v_generations jsonb;
BEGIN
    DELETE FROM assignment.claim AS c
    WHERE c.tenant_id = a.tenant_id AND c.resource_no = ANY (a.resource_nos)
      AND c.starts_at = a.occupied_start AND c.allocation_id = a.allocation_id;
    UPDATE assignment.allocation AS x
    SET state = p_state, version = x.version + 1,
        cancel_reason = CASE WHEN p_state = 'CANCELLED' THEN p_reason END
    WHERE x.tenant_id = a.tenant_id AND x.allocation_id = a.allocation_id
    RETURNING x.* INTO STRICT a;
    IF a.request_id IS NOT NULL THEN
        UPDATE assignment.request AS q
        SET state = p_request_state, allocation_id = NULL, version = q.version + 1
        WHERE q.tenant_id = a.tenant_id AND q.request_id = a.request_id
          AND q.allocation_id = a.allocation_id
        RETURNING q.* INTO STRICT r;
    END IF;
    IF p_state = 'EXPIRED' THEN
        SELECT jsonb_object_agg(x.resource_id, x.generation) INTO v_generations
        FROM assignment.resource AS x
        WHERE x.tenant_id = a.tenant_id AND x.resource_no = ANY (a.resource_nos);
    ELSE
        v_generations := assignment.bump(a.tenant_id, a.resource_nos);
    END IF;
    RETURN assignment.record_step(
        a, v_before, v_generations, r, p_at, p_actor, p_action, p_reason);
END $$;

-- Ends dead holds whose allocations the caller has locked; locks their requests, in order.
CREATE FUNCTION assignment.end_dead(
    p_tenant text, p_dead text[], p_own_request text, p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    a assignment.allocation;
BEGIN
    PERFORM FROM assignment.request AS r
    WHERE r.tenant_id = p_tenant AND r.request_id IN (
        SELECT x.request_id FROM assignment.allocation AS x
        WHERE x.tenant_id = p_tenant AND x.allocation_id = ANY (p_dead)
        UNION ALL SELECT p_own_request)
    ORDER BY r.request_id FOR NO KEY UPDATE;
    FOR a IN SELECT x.* FROM assignment.allocation AS x
             WHERE x.tenant_id = p_tenant AND x.allocation_id = ANY (p_dead)
             ORDER BY x.allocation_id LOOP
        PERFORM assignment.end_allocation(
            a, 'EXPIRED', 'OPEN', p_at, 'ledger', 'expire', 'its time ran out');
    END LOOP;
END $$;

-- Adds to a stored refusal the first p_limit of some candidates that the ledger has free right now,
-- once; returns those that are stored. Candidates are {resource_ids, start, end, ...}; what they
-- would occupy reaches p_before and p_after beyond the slot.
CREATE FUNCTION assignment.attach_alternatives(
    p_tenant text, p_actor text, p_method text, p_key text, p_candidates jsonb, p_limit integer,
    p_before interval, p_after interval
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_free jsonb;
    v_stored jsonb;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    SELECT coalesce(jsonb_agg(f.value ORDER BY f.n), '[]') INTO v_free FROM (
        SELECT c.value, c.n FROM jsonb_array_elements(p_candidates) WITH ORDINALITY AS c (value, n)
        WHERE NOT EXISTS (
            SELECT FROM assignment.in_the_way(
                p_tenant,
                (SELECT array_agg(r.resource_no) FROM assignment.resource AS r
                 WHERE r.tenant_id = p_tenant AND r.resource_id IN (
                     SELECT jsonb_array_elements_text(c.value -> 'resource_ids'))),
                (c.value ->> 'start')::timestamptz - p_before,
                (c.value ->> 'end')::timestamptz + p_after, clock_timestamp()) AS w
            WHERE NOT w.is_dead)
        ORDER BY c.n LIMIT p_limit) AS f;
    UPDATE assignment.idem SET alternatives = v_free
    WHERE tenant_id = p_tenant AND principal = p_actor AND method = p_method AND key = p_key
      AND alternatives IS NULL;
    SELECT alternatives INTO v_stored FROM assignment.idem
    WHERE tenant_id = p_tenant AND principal = p_actor AND method = p_method AND key = p_key;
    RETURN coalesce(v_stored, v_free);
END $$;
