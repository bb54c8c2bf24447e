-- A write that found its time taken leaves an event like every write that took some: who wanted it,
-- who has it, and when, committed with the answer.

-- Keeps the answer of a call under its key and returns it.
CREATE OR REPLACE FUNCTION assignment.keep(
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
    IF p_outcome ->> 'refused' = 'SLOT_TAKEN' AND p_outcome -> 'metadata' ? 'blocked' THEN
        INSERT INTO assignment.outbox (tenant_id, aggregate, version, type, payload, at) VALUES (
            p_tenant, uuidv7()::text, 1, 'fairslot.assignment.v1.WriteCollided',
            jsonb_build_object('method', p_method, 'actor', p_actor, 'at', v_now,
                'taken', p_outcome -> 'metadata' -> 'blocked'),
            v_now);
    END IF;
    RETURN p_outcome;
END $$;
