-- Placing: a hold or an assignment, in one round trip.

-- Says why a request cannot be given this plan, or null. own is its live hold or assignment, if
-- any.
CREATE FUNCTION assignment.refusal_of_request(
    p_request_id text, r assignment.request, own assignment.allocation, p_replaces boolean,
    p_resource_ids text[], p_start timestamptz, p_end timestamptz
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF r.request_id IS NULL THEN
        RETURN assignment.refusal(
            'NOT_FOUND', jsonb_build_object('booking_request_id', p_request_id));
    END IF;
    IF p_replaces OR (own.allocation_id IS NULL AND r.state IN ('OPEN', 'HELD')) THEN
        RETURN NULL;
    END IF;
    IF own.resource_ids && p_resource_ids AND own.occupied_start < p_end
       AND own.occupied_end > p_start THEN
        RETURN assignment.refusal('SLOT_TAKEN', jsonb_build_object('blocked', jsonb_build_array(
            jsonb_build_object('resource_id', own.resource_ids[1],
                'assignment_id', own.allocation_id, 'state', own.state,
                'booking_request_id', own.request_id, 'start', own.slot_start, 'end', own.slot_end,
                'taken_by', coalesce(own.assigned_by, own.created_by)))));
    END IF;
    RETURN assignment.refusal('REQUEST_NOT_OPEN', jsonb_build_object(
        'booking_request_id', p_request_id, 'state', r.state, 'assignment_id', r.allocation_id));
END $$;

-- Places a hold (p_hold_seconds given) or an assignment (null). p_resource_ids is one plan, or with
-- p_any a list of resources any one of which will do, best first. p_reasons says why, in one entry
-- for whichever plan is taken, or with p_any in one for each resource.
CREATE FUNCTION assignment.place(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_request_id text, p_service_type_id text,
    p_resource_ids text[], p_any boolean,
    p_slot_start timestamptz, p_slot_end timestamptz,
    p_occupied_start timestamptz, p_occupied_end timestamptz,
    p_hold_seconds double precision, p_token_hash bytea,
    p_customer_hash text, p_max_live_holds integer,
    p_party_size integer, p_place jsonb, p_reasons text[]
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    own assignment.allocation;
    v_own_dead text;
    v_replaces boolean := false;
    t assignment.taking;
    r assignment.request;
    a assignment.allocation;
    v_generations jsonb;
    v_reason text := p_reasons[1];
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    IF p_hold_seconds IS NOT NULL AND p_customer_hash <> '' THEN
        PERFORM assignment.check_hold_budget(p_tenant, p_customer_hash, p_max_live_holds);
    END IF;

    IF p_request_id IS NOT NULL THEN
        SELECT q.* INTO r FROM assignment.request AS q
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id;
        IF r.allocation_id IS NOT NULL THEN
            SELECT x.* INTO own FROM assignment.allocation AS x
            WHERE x.tenant_id = p_tenant AND x.allocation_id = r.allocation_id;
            IF own.state NOT IN ('HELD', 'ASSIGNED', 'COMPLETED') THEN
                RAISE EXCEPTION 'the request moved' USING ERRCODE = 'serialization_failure';
            ELSIF own.state = 'HELD' AND own.hold_expires_at <= clock_timestamp() THEN
                v_own_dead := own.allocation_id;
                own := NULL;
            ELSIF own.state = 'HELD' AND p_hold_seconds IS NULL THEN
                -- One's own hold never blocks one's own assignment: of the same plan it becomes the
                -- assignment, of another it gives way to whoever placed it.
                IF own.slot_start = p_slot_start
                   AND (p_any OR (own.resource_ids <@ p_resource_ids
                                  AND own.resource_ids @> p_resource_ids)) THEN
                    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash,
                        assignment.confirm_locked(
                            assignment.lock_allocation(own), p_actor, v_reason, true));
                END IF;
                v_replaces := own.created_by = p_actor;
            END IF;
        END IF;
        v_outcome := assignment.refusal_of_request(
            p_request_id, r, own, v_replaces, p_resource_ids, p_occupied_start, p_occupied_end);
        IF v_outcome IS NOT NULL THEN
            RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
        END IF;
    END IF;

    t := assignment.take_first(
        p_tenant, p_allocation_id, p_resource_ids, p_any, p_occupied_start, p_occupied_end,
        v_own_dead, own.allocation_id, own.resource_nos);
    IF t.blocked IS NOT NULL THEN
        RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, assignment.refusal(
            'SLOT_TAKEN', jsonb_build_object('blocked', t.blocked)));
    END IF;
    IF p_any AND cardinality(p_reasons) > 1 THEN
        v_reason := p_reasons[array_position(p_resource_ids, t.plan[1])];
    END IF;
    IF t.dead <> '{}' THEN
        PERFORM assignment.end_dead(p_tenant, t.dead, p_request_id, t.at);
    END IF;

    IF p_request_id IS NOT NULL THEN
        SELECT q.* INTO r FROM assignment.request AS q
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id FOR NO KEY UPDATE;
        IF r.allocation_id IS DISTINCT FROM own.allocation_id
           OR (own.allocation_id IS NULL AND r.state <> 'OPEN') THEN
            RAISE EXCEPTION 'the request moved' USING ERRCODE = 'serialization_failure';
        END IF;
        IF v_replaces THEN
            PERFORM assignment.end_allocation(
                own, 'RELEASED', 'OPEN', t.at, p_actor, 'release', 'gave way to an assignment');
        END IF;
    END IF;

    v_generations := assignment.bump(p_tenant, t.nos);
    INSERT INTO assignment.allocation VALUES (
        p_tenant, p_allocation_id, 1,
        CASE WHEN p_hold_seconds IS NULL THEN 'ASSIGNED' ELSE 'HELD' END,
        p_request_id, p_service_type_id, t.plan, t.nos, p_slot_start, p_slot_end,
        p_occupied_start, p_occupied_end, p_party_size, p_place, p_customer_hash, p_token_hash,
        CASE WHEN p_hold_seconds IS NOT NULL THEN t.at END,
        t.at + make_interval(secs => p_hold_seconds),
        v_reason, p_actor,
        CASE WHEN p_hold_seconds IS NULL THEN p_actor END,
        CASE WHEN p_hold_seconds IS NULL THEN t.at END, NULL)
    RETURNING * INTO a;
    IF p_request_id IS NOT NULL THEN
        UPDATE assignment.request AS q
        SET state = a.state, allocation_id = a.allocation_id, version = q.version + 1
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id
        RETURNING q.* INTO STRICT r;
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, assignment.record_step(
        a, NULL, v_generations, r, t.at, p_actor,
        CASE WHEN p_hold_seconds IS NULL THEN 'assign' ELSE 'hold' END, v_reason));
END $$;
