-- What every write begins and ends with: the key, the tenant, the limits, the stored answer.
--
-- Locks are taken in this order, by everybody, and waited for only in this order:
--   key -> customer -> resources (ascending) -> allocations (ascending) -> requests (ascending).
-- Claims are changed by whoever holds the lock of their resource or of their allocation.
--
-- Conditions raised, none of which is stored (the transaction is rolled back with them):
--   LD001 the key is being worked on         LD002 the key was used for another payload
--   LD003 too many live holds                LD004 a resource is not registered yet
--   40001 something moved between looking and locking; try again

-- Opens a call. Returns what was answered to this key before, or null if the call is to run.
-- A second caller with the same key waits here for the first, at most p_lock_ms.
CREATE FUNCTION assignment.enter(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_lock bigint;
    v_hash bytea;
    v_outcome jsonb;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true),
            set_config('lock_timeout', p_lock_ms::text, true);
    IF p_key = '' THEN
        RETURN NULL;
    END IF;
    -- A lock on the key's hash, not a row, so that the answer is written once, whole, and on
    -- whichever day of the ring. Two keys with one hash merely wait for each other.
    v_lock := hashtextextended(concat_ws(E'\x1f', p_tenant, p_actor, p_method, p_key), 0);
    IF NOT pg_try_advisory_xact_lock(v_lock) THEN
        BEGIN
            PERFORM pg_advisory_xact_lock(v_lock);
        EXCEPTION WHEN lock_not_available THEN
            RAISE EXCEPTION 'the key is being worked on' USING ERRCODE = 'LD001';
        END;
    END IF;
    SELECT request_hash,
           CASE WHEN alternatives IS NULL THEN outcome
                ELSE outcome || jsonb_build_object('alternatives', alternatives) END
    INTO v_hash, v_outcome FROM assignment.idem
    WHERE tenant_id = p_tenant AND principal = p_actor AND method = p_method AND key = p_key;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF v_hash <> p_hash THEN
        RAISE EXCEPTION 'the key was used for another payload' USING ERRCODE = 'LD002';
    END IF;
    RETURN v_outcome || '{"replayed": true}';
END $$;

-- Keeps the answer of a call under its key and returns it.
CREATE FUNCTION assignment.keep(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_outcome jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    IF p_key <> '' THEN
        INSERT INTO assignment.idem VALUES (
            p_tenant, p_actor, p_method, p_key, assignment.ring_of(v_now), p_hash, p_outcome, NULL,
            v_now);
    END IF;
    RETURN p_outcome;
END $$;

-- The place of a moment's UTC day in the ring of five.
CREATE FUNCTION assignment.ring_of(p_at timestamptz) RETURNS smallint
LANGUAGE sql IMMUTABLE AS $$
    SELECT (floor(extract(epoch FROM p_at) / 86400)::bigint % 5)::smallint
$$;

-- The place in the ring that tomorrow will use; what it holds is at least three whole days old.
CREATE FUNCTION assignment.ring_to_empty() RETURNS smallint
LANGUAGE sql VOLATILE AS $$
    SELECT assignment.ring_of(clock_timestamp() + interval '1 day')
$$;

-- A refusal as it is stored.
CREATE FUNCTION assignment.refusal(p_reason text, p_metadata jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('refused', p_reason, 'metadata', jsonb_strip_nulls(p_metadata))
$$;

-- Keeps a refusal that was decided outside, unless the key has been answered already.
CREATE FUNCTION assignment.settle(
    p_tenant text, p_actor text, p_method text, p_key text, p_hash bytea, p_lock_ms integer,
    p_outcome jsonb
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_outcome jsonb;
BEGIN
    v_outcome := assignment.enter(p_tenant, p_actor, p_method, p_key, p_hash, p_lock_ms);
    RETURN coalesce(v_outcome,
                    assignment.keep(p_tenant, p_actor, p_method, p_key, p_hash, p_outcome));
END $$;

-- Gives numbers to resources the ledger has not met.
CREATE FUNCTION assignment.register_resources(p_tenant text, p_resource_ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant, true);
    INSERT INTO assignment.resource (tenant_id, resource_id)
    SELECT p_tenant, x FROM unnest(p_resource_ids) AS x
    WHERE NOT EXISTS (SELECT FROM assignment.resource AS r
                      WHERE r.tenant_id = p_tenant AND r.resource_id = x)
    ORDER BY x
    ON CONFLICT DO NOTHING;
END $$;

-- Refuses a customer whose budget of live holds is used up. The lock makes the count exact.
CREATE FUNCTION assignment.check_hold_budget(
    p_tenant text, p_customer_hash text, p_max_live_holds integer
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_live bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended(concat_ws(E'\x1f', 'customer', p_tenant, p_customer_hash), 1));
    SELECT count(*) INTO v_live FROM assignment.allocation
    WHERE tenant_id = p_tenant AND customer_hash = p_customer_hash AND customer_hash <> ''
      AND state = 'HELD' AND hold_expires_at > clock_timestamp();
    IF v_live >= p_max_live_holds THEN
        RAISE EXCEPTION 'the customer has % live holds', v_live USING ERRCODE = 'LD003';
    END IF;
END $$;
