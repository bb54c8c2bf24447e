-- What becomes of a hold or an assignment: confirm, release, cancel, expire.

-- Locks the resources of an allocation, ascending, then the allocation; returns it as it is now.
CREATE FUNCTION assignment.lock_allocation(a assignment.allocation) RETURNS assignment.allocation
LANGUAGE plpgsql AS $$
DECLARE
    v_nos bigint[] := a.resource_nos;
BEGIN
    PERFORM FROM assignment.resource AS r
    WHERE r.tenant_id = a.tenant_id AND r.resource_no = ANY (v_nos)
    ORDER BY r.resource_no FOR NO KEY UPDATE;
    SELECT x.* INTO STRICT a FROM assignment.allocation AS x
    WHERE x.tenant_id = a.tenant_id AND x.allocation_id = a.allocation_id FOR NO KEY UPDATE;
    IF a.resource_nos <> v_nos THEN
        RAISE EXCEPTION 'the plan moved' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN a;
END $$;

-- The answer for an allocation that stays as it is.
CREATE FUNCTION assignment.unchanged(a assignment.allocation) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'allocation', assignment.allocation_record(a),
        'generations', (SELECT jsonb_object_agg(r.resource_id, r.generation)
                        FROM assignment.resource AS r
                        WHERE r.tenant_id = a.tenant_id AND r.resource_no = ANY (a.resource_nos)))
$$;

-- Why a hold that is resolved cannot be resolved again.
CREATE FUNCTION assignment.refusal_of_resolved(a assignment.allocation) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT assignment.refusal(
        CASE a.state WHEN 'EXPIRED' THEN 'HOLD_EXPIRED' WHEN 'RELEASED' THEN 'HOLD_ALREADY_RELEASED'
                     ELSE 'HOLD_ALREADY_CONFIRMED' END,
        jsonb_build_object('hold_id', a.allocation_id, 'state', a.state,
            'expires_at', CASE WHEN a.state = 'EXPIRED' THEN a.hold_expires_at END))
$$;

-- Turns a hold, locked with its resources, into an assignment. The clock is read here, after the
-- locks and in a statement of its own: at expires_at, to the microsecond, the hold is over.
CREATE FUNCTION assignment.confirm_locked(
    a assignment.allocation, p_actor text, p_reason text, p_must_be_live boolean
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_at timestamptz := clock_timestamp();
    r assignment.request;
BEGIN
    IF p_must_be_live AND (a.state <> 'HELD' OR a.hold_expires_at <= v_at) THEN
        RAISE EXCEPTION 'the hold moved' USING ERRCODE = 'serialization_failure';
    END IF;
    IF a.state IN ('ASSIGNED', 'COMPLETED') THEN
        RETURN assignment.unchanged(a);
    END IF;
    IF a.state = 'HELD' AND a.hold_expires_at <= v_at THEN
        PERFORM assignment.end_allocation(
            a, 'EXPIRED', 'OPEN', v_at, 'ledger', 'expire', 'its time ran out');
        a.state := 'EXPIRED';
    END IF;
    IF a.state <> 'HELD' THEN
        RETURN assignment.refusal_of_resolved(a);
    END IF;
    UPDATE assignment.allocation AS x
    SET state = 'ASSIGNED', version = x.version + 1, reason = p_reason,
        assigned_by = p_actor, assigned_at = v_at
    WHERE x.tenant_id = a.tenant_id AND x.allocation_id = a.allocation_id
    RETURNING x.* INTO STRICT a;
    IF a.request_id IS NOT NULL THEN
        UPDATE assignment.request AS q SET state = 'ASSIGNED', version = q.version + 1
        WHERE q.tenant_id = a.tenant_id AND q.request_id = a.request_id
          AND q.allocation_id = a.allocation_id
        RETURNING q.* INTO STRICT r;
    END IF;
    RETURN assignment.record_step(
        a, 'HELD', assignment.bump(a.tenant_id, a.resource_nos), r, v_at, p_actor, 'confirm',
        p_reason);
END $$;

-- Confirms a hold.
CREATE FUNCTION assignment.confirm(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_token_hash bytea, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    a assignment.allocation;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
      AND x.hold_token_hash = p_token_hash;
    IF NOT FOUND THEN
        v_outcome := assignment.refusal('NOT_FOUND', '{"what": "hold"}');
    ELSE
        v_outcome := assignment.confirm_locked(
            assignment.lock_allocation(a), p_actor, p_reason, false);
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Gives a hold back. One that is over already is no error: its time is free.
CREATE FUNCTION assignment.release(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_token_hash bytea
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    a assignment.allocation;
    v_at timestamptz;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
      AND x.hold_token_hash = p_token_hash;
    IF NOT FOUND THEN
        v_outcome := assignment.refusal('NOT_FOUND', '{"what": "hold"}');
    ELSE
        a := assignment.lock_allocation(a);
        v_at := clock_timestamp();
        v_outcome := CASE
            WHEN a.state = 'HELD' AND a.hold_expires_at <= v_at THEN assignment.end_allocation(
                a, 'EXPIRED', 'OPEN', v_at, 'ledger', 'expire', 'its time ran out')
            WHEN a.state = 'HELD' THEN assignment.end_allocation(
                a, 'RELEASED', 'OPEN', v_at, p_actor, 'release', 'given back')
            WHEN a.state IN ('RELEASED', 'EXPIRED') THEN assignment.unchanged(a)
            ELSE assignment.refusal_of_resolved(a) END;
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Cancels an assignment. One that is cancelled already stays so. p_version 0 accepts any.
CREATE FUNCTION assignment.cancel(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_version bigint, p_reason text, p_close_request boolean
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    a assignment.allocation;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
      AND x.state IN ('ASSIGNED', 'CANCELLED', 'COMPLETED');
    IF NOT FOUND THEN
        v_outcome := assignment.refusal(
            'NOT_FOUND', jsonb_build_object('assignment_id', p_allocation_id));
    ELSE
        a := assignment.lock_allocation(a);
        v_outcome := CASE
            WHEN a.state = 'CANCELLED' THEN assignment.unchanged(a)
            WHEN p_version <> 0 AND p_version <> a.version THEN assignment.refusal(
                'STALE_ETAG', jsonb_build_object('assignment_id', p_allocation_id,
                    'current_etag', a.version::text, 'state', a.state))
            WHEN a.state = 'COMPLETED' THEN assignment.refusal(
                'ASSIGNMENT_NOT_ACTIVE', jsonb_build_object(
                    'assignment_id', p_allocation_id, 'state', a.state))
            ELSE assignment.end_allocation(
                a, 'CANCELLED', CASE WHEN p_close_request THEN 'CANCELLED' ELSE 'OPEN' END,
                clock_timestamp(), p_actor, 'cancel', p_reason) END;
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Expires up to p_limit holds that are over, of all tenants; returns how many. It waits for nobody:
-- a row that somebody else has locked is being resolved, or comes again.
CREATE FUNCTION assignment.sweep(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    a assignment.allocation;
    v_at timestamptz := clock_timestamp();
    v_done integer := 0;
BEGIN
    FOR a IN
        SELECT x.* FROM assignment.allocation AS x
        WHERE x.state = 'HELD' AND x.hold_expires_at <= v_at
        ORDER BY x.hold_expires_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        IF a.request_id IS NOT NULL THEN
            PERFORM FROM assignment.request AS r
            WHERE r.tenant_id = a.tenant_id AND r.request_id = a.request_id
            FOR NO KEY UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
        END IF;
        PERFORM assignment.end_allocation(
            a, 'EXPIRED', 'OPEN', v_at, 'ledger', 'expire', 'its time ran out');
        v_done := v_done + 1;
    END LOOP;
    RETURN v_done;
END $$;
