-- Row-level security as a second wall between tenants, the fewest grants that work, and an audit
-- log to which rows can only be added. The owner has no policy: forced, it sees nothing either.
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[
        'resource', 'request', 'allocation', 'claim', 'idem', 'outbox', 'audit'
    ] LOOP
        EXECUTE format('ALTER TABLE assignment.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE assignment.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON assignment.%I TO fairslot_assignment'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))',
            v_table);
        EXECUTE format(
            'CREATE POLICY background ON assignment.%I TO fairslot_assignment_worker'
            ' USING (true) WITH CHECK (true)', v_table);
    END LOOP;
    -- Nobody reads a single day of the ring around the policies of the whole.
    FOR v_ring IN 0..4 LOOP
        EXECUTE format('ALTER TABLE assignment.idem_%s ENABLE ROW LEVEL SECURITY', v_ring);
        EXECUTE format('ALTER TABLE assignment.idem_%s FORCE ROW LEVEL SECURITY', v_ring);
    END LOOP;
END $$;

-- Whatever the schema's defaults gave is taken back first.
REVOKE ALL ON ALL TABLES IN SCHEMA assignment FROM fairslot_assignment, fairslot_assignment_worker;
GRANT USAGE ON SCHEMA assignment TO fairslot_assignment, fairslot_assignment_worker;
GRANT SELECT, INSERT, UPDATE ON assignment.resource, assignment.request, assignment.allocation
    TO fairslot_assignment;
GRANT SELECT, INSERT, DELETE ON assignment.claim TO fairslot_assignment;
GRANT SELECT, INSERT ON assignment.idem TO fairslot_assignment;
GRANT UPDATE (alternatives) ON assignment.idem TO fairslot_assignment;
GRANT SELECT, INSERT ON assignment.audit TO fairslot_assignment, fairslot_assignment_worker;
GRANT INSERT ON assignment.outbox TO fairslot_assignment, fairslot_assignment_worker;
GRANT SELECT ON assignment.secret TO fairslot_assignment;
-- The sweeper and the relay.
GRANT SELECT ON assignment.resource TO fairslot_assignment_worker;
GRANT SELECT, UPDATE ON assignment.request, assignment.allocation TO fairslot_assignment_worker;
GRANT SELECT, DELETE ON assignment.claim TO fairslot_assignment_worker;
GRANT SELECT, UPDATE ON assignment.outbox TO fairslot_assignment_worker;
GRANT TRUNCATE ON assignment.idem_0, assignment.idem_1, assignment.idem_2, assignment.idem_3,
    assignment.idem_4 TO fairslot_assignment_worker;

CREATE FUNCTION assignment.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON assignment.audit
    FOR EACH STATEMENT EXECUTE FUNCTION assignment.refuse_audit_change();
