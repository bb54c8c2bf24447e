-- A hold tells who placed it, in answers and in events.

-- An allocation as answers and the audit log tell it.
CREATE OR REPLACE FUNCTION assignment.allocation_record(a assignment.allocation) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'id', a.allocation_id, 'version', a.version, 'state', a.state,
        'request_id', a.request_id, 'service_type_id', a.service_type_id,
        'resource_ids', a.resource_ids,
        'slot_start', a.slot_start, 'slot_end', a.slot_end,
        'occupied_start', a.occupied_start, 'occupied_end', a.occupied_end,
        'party_size', a.party_size, 'held_at', a.held_at, 'hold_expires_at', a.hold_expires_at,
        'held_by', CASE WHEN a.held_at IS NOT NULL THEN a.created_by END,
        'reason', a.reason, 'assigned_by', a.assigned_by, 'assigned_at', a.assigned_at,
        'cancel_reason', a.cancel_reason, 'legacy', CASE WHEN a.legacy_hash IS NOT NULL THEN true END,
        'risks', nullif(a.risks, '[]')))
$$;

-- Writes down one step of an allocation, and of the request that moved with it: one event, one
-- audit row. Generations are those after the step, by resource id; null for a step that takes and
-- frees no time. p_left are resources the allocation had until now. Returns the answer to the caller.
CREATE OR REPLACE FUNCTION assignment.record_step(
    a assignment.allocation, p_state_before text, p_generations jsonb, r assignment.request,
    p_at timestamptz, p_actor text, p_action text, p_reason text, p_left text[] DEFAULT NULL
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
            'left', (SELECT jsonb_agg(jsonb_build_object(
                         'resource_id', x.id, 'generation', p_generations -> x.id) ORDER BY x.n)
                     FROM unnest(p_left) WITH ORDINALITY AS x (id, n)),
            'risks', nullif(a.risks, '[]'),
            'slot', jsonb_build_object('start_time', a.slot_start, 'end_time', a.slot_end),
            'occupied', jsonb_build_object('start_time', a.occupied_start,
                                           'end_time', a.occupied_end),
            'expires_at', CASE WHEN a.state = 'HELD' THEN a.hold_expires_at END,
            'held_by', v_allocation -> 'held_by',
            'service_type_id', a.service_type_id, 'booking_request_id', a.request_id,
            'party_size', a.party_size, 'place', a.place, 'reason', p_reason, 'actor', p_actor,
            'at', p_at, 'request', v_request, 'request_version', r.version)),
        p_at);
    RETURN jsonb_build_object('allocation', v_allocation, 'generations', p_generations);
END $$;
