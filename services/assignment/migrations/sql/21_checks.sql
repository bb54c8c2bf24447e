-- What a plan was checked against before its transaction, checked again inside it: the request as it
-- was asked for, what availability knew, limits, and resources that others took meanwhile.

-- How often what is wanted was edited; a plan that was checked for an older edition is checked again.
ALTER TABLE assignment.request ADD COLUMN edition integer NOT NULL DEFAULT 1;
ALTER TABLE assignment.allocation
    -- How often the hold was given more time.
    ADD COLUMN extensions smallint NOT NULL DEFAULT 0,
    -- What became of working time after it was placed, in the words of Risk; empty: nothing.
    ADD COLUMN risks jsonb NOT NULL DEFAULT '[]',
    -- What was imported of it from another system; null for everything that was made here.
    ADD COLUMN legacy_hash bytea;
-- The newest revision of the catalog whose collisions with this resource's time are looked for.
ALTER TABLE assignment.resource ADD COLUMN catalog_revision bigint NOT NULL DEFAULT 0;
ALTER TYPE assignment.taking ADD ATTRIBUTE refusal jsonb;

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
        'reason', a.reason, 'assigned_by', a.assigned_by, 'assigned_at', a.assigned_at,
        'cancel_reason', a.cancel_reason, 'legacy', CASE WHEN a.legacy_hash IS NOT NULL THEN true END,
        'risks', nullif(a.risks, '[]')))
$$;

-- One booking request as it stands at this moment, with its edition, or null.
CREATE OR REPLACE FUNCTION assignment.find_request(p_tenant text, p_request_id text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    RETURN (SELECT q.record || jsonb_build_object('edition', r.edition)
            FROM assignment.request_now AS q
            JOIN assignment.request AS r USING (tenant_id, request_id)
            WHERE q.tenant_id = p_tenant AND q.request_id = p_request_id);
END $$;

DROP FUNCTION assignment.record_step(
    assignment.allocation, text, jsonb, assignment.request, timestamptz, text, text, text);
-- Writes down one step of an allocation, and of the request that moved with it: one event, one
-- audit row. Generations are those after the step, by resource id; null for a step that takes and
-- frees no time. p_left are resources the allocation had until now. Returns the answer to the caller.
CREATE FUNCTION assignment.record_step(
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
            'service_type_id', a.service_type_id, 'booking_request_id', a.request_id,
            'party_size', a.party_size, 'place', a.place, 'reason', p_reason, 'actor', p_actor,
            'at', p_at, 'request', v_request, 'request_version', r.version)),
        p_at);
    RETURN jsonb_build_object('allocation', v_allocation, 'generations', p_generations);
END $$;

-- Says that a slot is not inside its request's window, or null.
CREATE FUNCTION assignment.refusal_of_window(
    r assignment.request, p_slot_start timestamptz, p_slot_end timestamptz
) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_slot_start < r.window_start OR p_slot_end > r.window_end
        THEN assignment.refusal('NOT_AVAILABLE', jsonb_build_object(
            'booking_request_id', r.request_id, 'obstacles', 'OUTSIDE_WINDOW',
            'detail', 'the slot is not inside the window of the request',
            'window_start', r.window_start, 'window_end', r.window_end)) END
$$;

-- What of p_checks no longer lets a plan be taken whose resources the caller has locked and claimed,
-- or null. All parts may be missing:
--   revision     the catalog's revision that working time and leave were read at
--   generations  {resource id: generation} whose neighbours travel was reckoned from
--   limits       {resource id: {zone, per_day, per_week, minutes_per_day}}; 0 is no limit
-- Raises LD006 where availability has to be asked again; its detail is the freshness to ask with.
CREATE FUNCTION assignment.refusal_of_checks(
    p_tenant text, p_plan text[], p_nos bigint[], p_slot_start timestamptz, p_slot_end timestamptz,
    p_replaced text, p_at timestamptz, p_checks jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_moved jsonb;
    v_limited text;
    v_refusal jsonb;
BEGIN
    IF p_checks IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT jsonb_object_agg('r/' || r.resource_id, r.generation)
           || jsonb_build_object('catalog', max(r.catalog_revision))
    INTO v_moved FROM assignment.resource AS r
    WHERE r.tenant_id = p_tenant AND r.resource_no = ANY (p_nos)
      AND (r.catalog_revision > (p_checks ->> 'revision')::bigint
           OR r.generation > (p_checks -> 'generations' ->> r.resource_id)::bigint);
    IF v_moved IS NOT NULL THEN
        RAISE EXCEPTION 'what the plan was checked against moved'
            USING ERRCODE = 'LD006', DETAIL = v_moved::text;
    END IF;
    FOR v_limited IN SELECT jsonb_object_keys(p_checks -> 'limits') INTERSECT SELECT unnest(p_plan)
    LOOP
        v_refusal := assignment.refusal_of_limits(
            p_tenant, v_limited, p_checks -> 'limits' -> v_limited, p_slot_start, p_slot_end,
            p_replaced, p_at);
        EXIT WHEN v_refusal IS NOT NULL;
    END LOOP;
    RETURN v_refusal;
END $$;

-- Says which of a resource's limits one more slot would break, or null. Live holds, assignments and
-- completed ones count, each wholly for the resource's own day and week (from Monday) on which its
-- slot starts. The caller has locked the resource, so nobody else adds to it meanwhile.
CREATE FUNCTION assignment.refusal_of_limits(
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
        JOIN assignment.allocation AS a
          ON a.tenant_id = p_tenant AND a.allocation_id = w.allocation_id
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
           array_agg(DISTINCT n.no)
    INTO t.dead, v_freed
    FROM assignment.allocation AS a CROSS JOIN LATERAL unnest(a.resource_nos) AS n (no)
    WHERE a.tenant_id = p_tenant AND a.allocation_id = ANY (t.dead || p_replaced)
      AND ((a.state = 'HELD' AND a.hold_expires_at <= t.at)
           OR (a.state IN ('HELD', 'ASSIGNED') AND a.allocation_id = p_replaced));
    DELETE FROM assignment.claim AS c
    WHERE c.tenant_id = p_tenant AND c.resource_no = ANY (v_freed)
      AND c.allocation_id = ANY (t.dead || p_replaced);
    IF v_claimed + assignment.claim_span(p_tenant, p_allocation_id, t.nos, p_start, p_end)
       < cardinality(t.nos) THEN
        RAISE EXCEPTION 'the ledger moved' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN t;
END $$;

DROP FUNCTION assignment.take_first(
    text, text, text[], boolean, timestamptz, timestamptz, text, text, bigint[]);
-- Takes a span on a plan, or with p_any on the first of some resources that has it free, best
-- first. The locks of what turns out taken are given back at once, by undoing a subtransaction:
-- whoever waits for them need not wait for this commit, and with p_any at most one is held while
-- waiting for the next, which cannot close a circle. What is free in the ledger must also stand up
-- to p_checks, or the refusal says why not.
CREATE FUNCTION assignment.take_first(
    p_tenant text, p_allocation_id text, p_resource_ids text[], p_any boolean, p_start timestamptz,
    p_end timestamptz, p_own_dead text, p_replaced text, p_replaced_nos bigint[],
    p_slot_start timestamptz, p_slot_end timestamptz, p_checks jsonb
) RETURNS assignment.taking LANGUAGE plpgsql AS $$
DECLARE
    -- Beyond 64 subtransactions the whole server pays.
    c_max_tries CONSTANT integer := 48;
    v_tries integer := 0;
    v_plan text[];
    v_refusal jsonb;
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
                t.refusal := assignment.refusal_of_checks(
                    p_tenant, t.plan, t.nos, p_slot_start, p_slot_end, p_replaced, t.at, p_checks);
                IF t.refusal IS NULL THEN
                    RETURN t;
                END IF;
                v_refusal := t.refusal;
            END IF;
            RAISE EXCEPTION 'taken' USING ERRCODE = 'LD005';
        EXCEPTION WHEN SQLSTATE 'LD005' THEN
            NULL;
        END;
    END LOOP;
    IF p_any THEN
        t := NULL;
        t.blocked := '[]';
        t.refusal := v_refusal;
    END IF;
    RETURN t;
END $$;

DROP FUNCTION assignment.place(
    text, text, text, text, bytea, integer, text, text, text, text[], boolean, timestamptz,
    timestamptz, timestamptz, timestamptz, double precision, bytea, text, integer, integer, jsonb,
    text[]);
-- Places a hold (p_hold_seconds given) or an assignment (null). p_resource_ids is one plan, or with
-- p_any a list of resources any one of which will do, best first. p_reasons says why, in one entry
-- for whichever plan is taken, or with p_any in one for each resource. p_checks is what the plan was
-- checked against; refusal_of_checks says what is in it.
CREATE FUNCTION assignment.place(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_allocation_id text, p_request_id text, p_service_type_id text,
    p_resource_ids text[], p_any boolean,
    p_slot_start timestamptz, p_slot_end timestamptz,
    p_occupied_start timestamptz, p_occupied_end timestamptz,
    p_hold_seconds double precision, p_token_hash bytea,
    p_customer_hash text, p_max_live_holds integer,
    p_party_size integer, p_place jsonb, p_reasons text[], p_checks jsonb DEFAULT NULL
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
    v_edition integer;
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
        v_edition := r.edition;
        IF v_edition <> (p_checks ->> 'edition')::integer THEN
            RAISE EXCEPTION 'the request was edited' USING ERRCODE = 'LD006', DETAIL = '{}';
        END IF;
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
        IF v_outcome IS NULL THEN
            v_outcome := assignment.refusal_of_window(r, p_slot_start, p_slot_end);
        END IF;
        IF v_outcome IS NOT NULL THEN
            RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, v_outcome);
        END IF;
    END IF;

    t := assignment.take_first(
        p_tenant, p_allocation_id, p_resource_ids, p_any, p_occupied_start, p_occupied_end,
        v_own_dead, own.allocation_id, own.resource_nos, p_slot_start, p_slot_end, p_checks);
    IF t.refusal IS NOT NULL THEN
        RETURN assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, t.refusal);
    END IF;
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
        IF r.allocation_id IS DISTINCT FROM own.allocation_id OR r.edition <> v_edition
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
