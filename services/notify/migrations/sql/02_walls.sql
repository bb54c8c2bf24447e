-- Row-level security as a second wall between tenants, and the fewest grants that work.
-- The owner has no policy: forced, it sees nothing either.
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['endpoint', 'delivery', 'attempt', 'idem'] LOOP
        EXECUTE format('ALTER TABLE notify.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE notify.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON notify.%I TO fairslot_notify'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', v_table);
        -- What queues, sends and forgets works across tenants.
        EXECUTE format(
            'CREATE POLICY background ON notify.%I TO fairslot_notify_worker'
            ' USING (true) WITH CHECK (true)', v_table);
    END LOOP;
END $$;

-- Whatever the schema's defaults gave is taken back first.
REVOKE ALL ON ALL TABLES IN SCHEMA notify FROM fairslot_notify, fairslot_notify_worker;
GRANT USAGE ON SCHEMA notify TO fairslot_notify, fairslot_notify_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.endpoint TO fairslot_notify;
GRANT SELECT, UPDATE ON notify.delivery TO fairslot_notify;
GRANT SELECT ON notify.attempt TO fairslot_notify;
GRANT SELECT, INSERT, UPDATE ON notify.idem TO fairslot_notify;
GRANT SELECT ON notify.endpoint TO fairslot_notify_worker;
GRANT UPDATE (active) ON notify.endpoint TO fairslot_notify_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.delivery TO fairslot_notify_worker;
GRANT SELECT, INSERT ON notify.attempt TO fairslot_notify_worker;
GRANT SELECT, DELETE ON notify.idem TO fairslot_notify_worker;
GRANT SELECT, INSERT, UPDATE ON notify.reading TO fairslot_notify_worker;
