-- Booking requests: create, cancel.

-- Creates a booking request in state OPEN.
CREATE FUNCTION assignment.create_request(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_request_id text, p_service_type_id text, p_window_start timestamptz,
    p_window_end timestamptz, p_party_size integer, p_customer_hash text, p_wish jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_at timestamptz := clock_timestamp();
    r assignment.request;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    IF v_outcome IS NOT NULL THEN
        RETURN v_outcome;
    END IF;
    INSERT INTO assignment.request VALUES (
        p_tenant, p_request_id, 1, 'OPEN', NULL, p_service_type_id, p_window_start, p_window_end,
        p_party_size, p_customer_hash, p_wish, v_at)
    ON CONFLICT DO NOTHING RETURNING * INTO r;
    IF r.request_id IS NULL THEN
        v_outcome := assignment.refusal(
            'ALREADY_EXISTS', jsonb_build_object('booking_request_id', p_request_id));
    ELSE
        v_outcome := assignment.record_request_step(r, NULL, v_at, p_actor, 'create', '');
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;

-- Cancels a booking request that is OPEN or HELD, and releases its hold. p_version 0 accepts any.
CREATE FUNCTION assignment.cancel_request(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_request_id text, p_version bigint, p_reason text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
    v_at timestamptz;
    v_before text;
    r assignment.request;
    own assignment.allocation;
    v_seen text;
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
    v_before := r.state;
    IF r.request_id IS NULL THEN
        v_outcome := assignment.refusal(
            'NOT_FOUND', jsonb_build_object('booking_request_id', p_request_id));
    ELSIF r.state = 'CANCELLED' THEN
        v_outcome := jsonb_build_object('request', assignment.request_record(r));
    ELSIF p_version <> 0 AND p_version <> r.version THEN
        v_outcome := assignment.refusal('STALE_ETAG', jsonb_build_object(
            'booking_request_id', p_request_id, 'current_etag', r.version::text, 'state', r.state));
    ELSIF r.state NOT IN ('OPEN', 'HELD') THEN
        v_outcome := assignment.refusal('REQUEST_NOT_OPEN', jsonb_build_object(
            'booking_request_id', p_request_id, 'state', r.state,
            'assignment_id', r.allocation_id));
    ELSIF r.state = 'HELD' THEN
        v_outcome := assignment.end_allocation(
            own, CASE WHEN own.hold_expires_at <= v_at THEN 'EXPIRED' ELSE 'RELEASED' END,
            'CANCELLED', v_at, p_actor, 'release', p_reason);
        SELECT jsonb_build_object('request', assignment.request_record(q),
                                  'generations', v_outcome -> 'generations')
        INTO v_outcome FROM assignment.request AS q
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id;
    ELSE
        UPDATE assignment.request AS q SET state = 'CANCELLED', version = q.version + 1
        WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id
        RETURNING q.* INTO STRICT r;
        v_outcome := assignment.record_request_step(
            r, v_before, v_at, p_actor, 'cancel', p_reason);
    END IF;
    RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
END $$;
