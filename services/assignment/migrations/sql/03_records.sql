-- How a step is written down: the answer, the event, the audit row.

-- An allocation as answers and the audit log tell it.
CREATE FUNCTION assignment.allocation_record(a assignment.allocation) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'id', a.allocation_id, 'version', a.version, 'state', a.state,
        'request_id', a.request_id, 'service_type_id', a.service_type_id,
        'resource_ids', a.resource_ids,
        'slot_start', a.slot_start, 'slot_end', a.slot_end,
        'occupied_start', a.occupied_start, 'occupied_end', a.occupied_end,
        'party_size', a.party_size, 'held_at', a.held_at, 'hold_expires_at', a.hold_expires_at,
        'reason', a.reason, 'assigned_by', a.assigned_by, 'assigned_at', a.assigned_at,
        'cancel_reason', a.cancel_reason))
$$;

-- A booking request in the words of BookingRequest, for answers, events and the audit log.
CREATE FUNCTION assignment.request_record(r assignment.request) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT r.wish || jsonb_strip_nulls(jsonb_build_object(
        'id', r.request_id, 'service_type_id', r.service_type_id,
        'window', jsonb_build_object('start_time', r.window_start, 'end_time', r.window_end),
        'party_size', r.party_size, 'customer_hash', r.customer_hash, 'state', r.state,
        'assignment_id', r.allocation_id, 'created_at', r.created_at, 'etag', r.version::text))
$$;

-- Adds one row to the chain of an aggregate, whose row the caller has locked. The chain of an
-- allocation has every version; that of a request only those in which it moved on its own, the
-- others being told by the allocation that moved it.
CREATE FUNCTION assignment.add_audit(
    p_tenant text, p_aggregate text, p_seq bigint, p_at timestamptz, p_actor text, p_action text,
    p_reason text, p_state_before text, p_state_after text, p_after jsonb
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_prev bytea;
BEGIN
    IF p_seq > 1 THEN
        SELECT a.hash INTO STRICT v_prev FROM assignment.audit AS a
        WHERE a.tenant_id = p_tenant AND a.aggregate = p_aggregate
        ORDER BY a.seq DESC LIMIT 1;
    ELSE
        v_prev := assignment.audit_genesis(p_tenant, p_aggregate);
    END IF;
    INSERT INTO assignment.audit VALUES (
        p_tenant, p_aggregate, p_seq, p_at, p_actor, p_action, p_reason,
        p_state_before, p_state_after, p_after, v_prev,
        assignment.audit_hash(v_prev, p_aggregate, p_seq, p_at, p_actor, p_action, p_reason,
                              p_state_before, p_state_after, p_after));
END $$;

-- What the first row of a chain follows.
CREATE FUNCTION assignment.audit_genesis(p_tenant text, p_aggregate text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(p_tenant || E'\n' || p_aggregate, 'UTF8'))
$$;

-- The hash of one row of the chain; the moment is in microseconds so that no setting changes it.
CREATE FUNCTION assignment.audit_hash(
    p_prev bytea, p_aggregate text, p_seq bigint, p_at timestamptz, p_actor text, p_action text,
    p_reason text, p_state_before text, p_state_after text, p_after jsonb
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(p_prev || convert_to(jsonb_build_array(
        p_aggregate, p_seq, (extract(epoch FROM p_at) * 1000000)::bigint, p_actor, p_action,
        p_reason, p_state_before, p_state_after, p_after)::text, 'UTF8'))
$$;

-- Writes down one step of an allocation, and of the request that moved with it: one event, one
-- audit row. Generations are those after the step, by resource id. Returns the answer to the
-- caller.
CREATE FUNCTION assignment.record_step(
    a assignment.allocation, p_state_before text, p_generations jsonb, r assignment.request,
    p_at timestamptz, p_actor text, p_action text, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_allocation jsonb := assignment.allocation_record(a);
    v_request jsonb := CASE WHEN r.request_id IS NULL THEN NULL
                            ELSE assignment.request_record(r) END;
BEGIN
    PERFORM assignment.add_audit(
        a.tenant_id, 'assignments/' || a.allocation_id, a.version, p_at, p_actor, p_action,
        p_reason, p_state_before, a.state,
        jsonb_build_object('allocation', v_allocation, 'request', v_request));
    INSERT INTO assignment.outbox (tenant_id, aggregate, version, type, payload, at) VALUES (
        a.tenant_id, a.allocation_id, a.version, 'fairslot.assignment.v1.AllocationChanged',
        jsonb_strip_nulls(jsonb_build_object(
            'id', a.allocation_id, 'version', a.version, 'state', a.state,
            'previous_state', p_state_before,
            'resources', (SELECT jsonb_agg(jsonb_build_object(
                              'resource_id', x.id, 'generation', p_generations -> x.id)
                              ORDER BY x.n)
                          FROM unnest(a.resource_ids) WITH ORDINALITY AS x (id, n)),
            'slot', jsonb_build_object('start_time', a.slot_start, 'end_time', a.slot_end),
            'occupied', jsonb_build_object('start_time', a.occupied_start,
                                           'end_time', a.occupied_end),
            'expires_at', CASE WHEN a.state = 'HELD' THEN a.hold_expires_at END,
            'service_type_id', a.service_type_id, 'booking_request_id', a.request_id,
            'party_size', a.party_size, 'place', a.place, 'reason', p_reason, 'actor', p_actor,
            'at', p_at, 'request', v_request, 'request_version', r.version)),
        p_at);
    RETURN jsonb_build_object('allocation', v_allocation, 'generations', p_generations);
END $$;

-- Writes down one step of a booking request that moved on its own.
CREATE FUNCTION assignment.record_request_step(
    r assignment.request, p_state_before text, p_at timestamptz, p_actor text, p_action text,
    p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_request jsonb := assignment.request_record(r);
BEGIN
    PERFORM assignment.add_audit(
        r.tenant_id, 'requests/' || r.request_id, r.version, p_at, p_actor, p_action, p_reason,
        p_state_before, r.state, jsonb_build_object('request', v_request));
    INSERT INTO assignment.outbox (tenant_id, aggregate, version, type, payload, at) VALUES (
        r.tenant_id, r.request_id, r.version, 'fairslot.assignment.v1.RequestChanged',
        jsonb_build_object('request', v_request, 'version', r.version, 'actor', p_actor,
                           'at', p_at, 'reason', p_reason),
        p_at);
    RETURN jsonb_build_object('request', v_request, 'version', r.version);
END $$;
