-- What can become of a request, a hold or an assignment besides: edit, extend, reassign, complete,
-- and the flag that says that working time changed under it.

-- Changes what is wanted. p_changes has the fields to replace, in the words of BookingRequest, with
-- window_start and window_end; in wish an empty value takes the field away. While a request is not
-- OPEN only its labels can be changed. p_version 0 accepts any.
CREATE FUNCTION assignment.update_request(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_request_id text, p_version bigint, p_changes jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_at timestamptz;
    v_seen text;
    r assignment.request;
    own assignment.allocation;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    SELECT q.allocation_id INTO v_seen FROM assignment.request AS q
    WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id;
    IF v_seen IS NOT NULL THEN
        SELECT x.* INTO own FROM assignment.allocation AS x
        WHERE x.tenant_id = p_tenant AND x.allocation_id = v_seen;
        own := assignment.lock_allocation(own);
    END IF;
    SELECT q.* INTO r FROM assignment.request AS q
    WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id FOR NO KEY UPDATE;
    IF r.allocation_id IS DISTINCT FROM v_seen THEN
        RAISE EXCEPTION 'the request moved' USING ERRCODE = 'serialization_failure';
    END IF;
    v_at := clock_timestamp();
    IF own.state = 'HELD' AND own.hold_expires_at <= v_at
       AND (p_version = 0 OR p_version = r.version) THEN
        PERFORM assignment.end_allocation(
            own, 'EXPIRED', 'OPEN', v_at, 'ledger', 'expire', 'its time ran out');
        p_version := 0;
        SELECT q.* INTO STRICT r FROM assignment.request AS q
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id;
    END IF;
    IF r.request_id IS NULL THEN
        v_outcome := assignment.refusal(
            'NOT_FOUND', jsonb_build_object('booking_request_id', p_request_id));
    ELSIF p_version <> 0 AND p_version <> r.version THEN
        v_outcome := assignment.refusal('STALE_ETAG', jsonb_build_object(
            'booking_request_id', p_request_id, 'current_etag', r.version::text, 'state', r.state));
    ELSIF r.state IN ('CANCELLED', 'COMPLETED')
          OR (r.state <> 'OPEN' AND p_changes <> jsonb_build_object(
              'wish', jsonb_build_object('labels', p_changes -> 'wish' -> 'labels'))) THEN
        v_outcome := assignment.refusal('REQUEST_NOT_OPEN', jsonb_build_object(
            'booking_request_id', p_request_id, 'state', r.state,
            'assignment_id', r.allocation_id));
    ELSE
        UPDATE assignment.request AS q SET
            version = q.version + 1, edition = q.edition + 1,
            service_type_id = coalesce(p_changes ->> 'service_type_id', q.service_type_id),
            window_start = coalesce((p_changes ->> 'window_start')::timestamptz, q.window_start),
            window_end = coalesce((p_changes ->> 'window_end')::timestamptz, q.window_end),
            party_size = coalesce((p_changes ->> 'party_size')::integer, q.party_size),
            customer_hash = coalesce(p_changes ->> 'customer_hash', q.customer_hash),
            wish = (SELECT coalesce(jsonb_object_agg(w.key, w.value), '{}')
                    FROM jsonb_each(q.wish || coalesce(p_changes -> 'wish', '{}')) AS w
                    WHERE w.value NOT IN ('null', '""', '[]', '{}'))
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id
        RETURNING q.* INTO STRICT r;
        v_outcome := assignment.record_request_step(
            r, r.state, v_at, p_actor, 'update',
            (SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM (
                SELECT jsonb_object_keys(p_changes - 'wish')
                UNION ALL SELECT jsonb_object_keys(p_changes -> 'wish')) AS f (name)));
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Gives a live hold more time, at most p_max times: from now on p_seconds, never less than it had.
CREATE FUNCTION assignment.extend(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_token_hash bytea, p_seconds double precision, p_max integer
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_at timestamptz;
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
        RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash,
                               assignment.refusal('NOT_FOUND', '{"what": "hold"}'));
    END IF;
    a := assignment.lock_allocation(a);
    -- Read after the locks, in a statement of its own, as whoever confirms reads it.
    v_at := clock_timestamp();
    IF a.state = 'HELD' AND a.hold_expires_at <= v_at THEN
        PERFORM assignment.end_allocation(
            a, 'EXPIRED', 'OPEN', v_at, 'ledger', 'expire', 'its time ran out');
        a.state := 'EXPIRED';
    END IF;
    IF a.state <> 'HELD' THEN
        v_outcome := assignment.refusal_of_resolved(a);
    ELSIF a.extensions >= p_max THEN
        v_outcome := assignment.refusal('HOLD_NOT_EXTENDABLE', jsonb_build_object(
            'hold_id', a.allocation_id, 'extensions', a.extensions,
            'expires_at', a.hold_expires_at));
    ELSE
        UPDATE assignment.allocation AS x
        SET version = x.version + 1, extensions = x.extensions + 1, held_at = v_at,
            hold_expires_at = greatest(
                x.hold_expires_at, v_at + make_interval(secs => p_seconds))
        WHERE x.tenant_id = a.tenant_id AND x.allocation_id = a.allocation_id
        RETURNING x.* INTO STRICT a;
        v_outcome := assignment.record_step(
            a, 'HELD', assignment.bump(a.tenant_id, a.resource_nos), NULL, v_at, p_actor, 'extend',
            'given more time');
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Gives an assignment another plan, another time, or both, whole: the old time is free exactly when
-- the new is taken. p_version 0 accepts any.
CREATE FUNCTION assignment.reassign(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_version bigint, p_resource_ids text[],
    p_slot_start timestamptz, p_slot_end timestamptz,
    p_occupied_start timestamptz, p_occupied_end timestamptz, p_reason text, p_checks jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_seen bigint;
    v_generations jsonb;
    a assignment.allocation;
    b assignment.allocation;
    r assignment.request;
    t assignment.taking;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
      AND x.state IN ('ASSIGNED', 'CANCELLED', 'COMPLETED');
    v_seen := a.version;
    SELECT q.* INTO r FROM assignment.request AS q
    WHERE q.tenant_id = p_tenant AND q.request_id = a.request_id;
    -- Versions only grow and states never return, so these stand whoever comes meanwhile.
    v_outcome := CASE
        WHEN a.allocation_id IS NULL THEN assignment.refusal(
            'NOT_FOUND', jsonb_build_object('assignment_id', p_allocation_id))
        WHEN p_version <> 0 AND p_version <> a.version THEN assignment.refusal(
            'STALE_ETAG', jsonb_build_object('assignment_id', p_allocation_id,
                'current_etag', a.version::text, 'state', a.state))
        WHEN a.state <> 'ASSIGNED' THEN assignment.refusal(
            'ASSIGNMENT_NOT_ACTIVE', jsonb_build_object(
                'assignment_id', p_allocation_id, 'state', a.state))
        ELSE assignment.refusal_of_window(r, p_slot_start, p_slot_end) END;
    IF v_outcome IS NULL THEN
        t := assignment.take_first(
            p_tenant, p_allocation_id, p_resource_ids, false, p_occupied_start, p_occupied_end,
            NULL, p_allocation_id, a.resource_nos, p_slot_start, p_slot_end, p_checks);
        v_outcome := CASE WHEN t.refusal IS NOT NULL THEN t.refusal
            WHEN t.blocked IS NOT NULL THEN assignment.refusal(
                'SLOT_TAKEN', jsonb_build_object('blocked', t.blocked)) END;
    END IF;
    IF v_outcome IS NOT NULL THEN
        RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
    END IF;
    IF t.dead <> '{}' THEN
        PERFORM assignment.end_dead(p_tenant, t.dead, a.request_id, t.at);
    END IF;
    UPDATE assignment.allocation AS x
    SET version = x.version + 1, resource_ids = p_resource_ids, resource_nos = t.nos,
        slot_start = p_slot_start, slot_end = p_slot_end, occupied_start = p_occupied_start,
        occupied_end = p_occupied_end, reason = p_reason, assigned_by = p_actor,
        assigned_at = t.at, risks = '[]'
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id AND x.version = v_seen
    RETURNING x.* INTO b;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the assignment moved' USING ERRCODE = 'serialization_failure';
    END IF;
    v_generations := assignment.bump(p_tenant, array(
        SELECT unnest(a.resource_nos) UNION SELECT unnest(b.resource_nos)));
    v_outcome := assignment.record_step(
        b, 'ASSIGNED', v_generations, NULL, t.at, p_actor, 'reassign', p_reason,
        array(SELECT unnest(a.resource_ids) EXCEPT SELECT unnest(b.resource_ids)));
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Says that an assignment was served. One that is completed already stays so. p_version 0 accepts
-- any.
CREATE FUNCTION assignment.complete(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_version bigint, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    a assignment.allocation;
    r assignment.request;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
      AND x.state IN ('ASSIGNED', 'CANCELLED', 'COMPLETED');
    IF NOT FOUND THEN
        RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, assignment.refusal(
            'NOT_FOUND', jsonb_build_object('assignment_id', p_allocation_id)));
    END IF;
    a := assignment.lock_allocation(a);
    IF a.state = 'COMPLETED' THEN
        v_outcome := assignment.unchanged(a);
    ELSIF p_version <> 0 AND p_version <> a.version THEN
        v_outcome := assignment.refusal('STALE_ETAG', jsonb_build_object(
            'assignment_id', p_allocation_id, 'current_etag', a.version::text, 'state', a.state));
    ELSIF a.state <> 'ASSIGNED' THEN
        v_outcome := assignment.refusal('ASSIGNMENT_NOT_ACTIVE', jsonb_build_object(
            'assignment_id', p_allocation_id, 'state', a.state));
    ELSE
        UPDATE assignment.allocation AS x
        SET state = 'COMPLETED', version = x.version + 1, risks = '[]'
        WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
        RETURNING x.* INTO STRICT a;
        IF a.request_id IS NOT NULL THEN
            UPDATE assignment.request AS q SET state = 'COMPLETED', version = q.version + 1
            WHERE q.tenant_id = p_tenant AND q.request_id = a.request_id
              AND q.allocation_id = a.allocation_id
            RETURNING q.* INTO STRICT r;
        END IF;
        v_outcome := assignment.record_step(
            a, 'ASSIGNED', assignment.bump(p_tenant, a.resource_nos), r, clock_timestamp(),
            p_actor, 'complete', p_reason);
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Takes note that the catalog's revision changed these resources, or with null all of the tenant's.
-- Whatever is placed later was either checked at that revision or is checked again; whatever was
-- placed before is found by who asks next.
CREATE FUNCTION assignment.note_catalog(
    p_tenant text, p_resource_ids text[], p_revision bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM assignment.register_resources(p_tenant, coalesce(p_resource_ids, '{}'));
    PERFORM FROM assignment.resource AS r
    WHERE r.tenant_id = p_tenant AND (p_resource_ids IS NULL OR r.resource_id = ANY (p_resource_ids))
    ORDER BY r.resource_no FOR NO KEY UPDATE;
    UPDATE assignment.resource AS r SET catalog_revision = p_revision
    WHERE r.tenant_id = p_tenant AND (p_resource_ids IS NULL OR r.resource_id = ANY (p_resource_ids))
      AND r.catalog_revision < p_revision;
END $$;

-- The live holds and assignments of some resources, or with null of all, that have not ended yet: up
-- to p_limit of them after a place in their order, which is start, then id.
CREATE FUNCTION assignment.to_come(
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
    JOIN assignment.allocation AS a
      ON a.tenant_id = p_tenant AND a.allocation_id = c.allocation_id
    LEFT JOIN assignment.request AS q
      ON q.tenant_id = p_tenant AND q.request_id = a.request_id
    WHERE a.state IN ('HELD', 'ASSIGNED')
      AND (a.slot_start, a.allocation_id) > (p_after, p_after_id)
    ORDER BY a.slot_start, a.allocation_id LIMIT p_limit;
END $$;

-- Writes down what has come into the way of a hold or an assignment, or that nothing is any more.
-- Returns whether it still stands at p_version: what has moved meanwhile is to be looked at again.
CREATE FUNCTION assignment.flag(
    p_tenant text, p_allocation_id text, p_version bigint, p_risks jsonb, p_reason text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    a assignment.allocation;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    SELECT x.* INTO a FROM assignment.allocation AS x
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id FOR NO KEY UPDATE;
    IF a.version IS DISTINCT FROM p_version OR a.state NOT IN ('HELD', 'ASSIGNED') THEN
        RETURN coalesce(a.state NOT IN ('HELD', 'ASSIGNED'), true);
    END IF;
    IF a.risks = p_risks THEN
        RETURN true;
    END IF;
    UPDATE assignment.allocation AS x SET risks = p_risks, version = x.version + 1
    WHERE x.tenant_id = p_tenant AND x.allocation_id = p_allocation_id
    RETURNING x.* INTO STRICT a;
    PERFORM assignment.record_step(
        a, a.state, NULL, NULL, clock_timestamp(), 'ledger',
        CASE WHEN p_risks = '[]' THEN 'unflag' ELSE 'flag' END, p_reason);
    RETURN true;
END $$;

-- How far the ledger has read what others tell it.
CREATE TABLE assignment.following (
    stream text PRIMARY KEY,
    made_at text NOT NULL,
    position bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON assignment.following TO fairslot_assignment_worker;
