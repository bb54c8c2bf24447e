-- Row-level security as a second wall between tenants, and the fewest grants that work.
-- The owner has no policy: forced, it sees nothing either.
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['tenant', 'resource', 'service_type', 'weekly_rule', 'schedule_exception',
        'time_off', 'external_busy', 'allocation', 'resource_generation', 'idem', 'outbox'] LOOP
        EXECUTE format('ALTER TABLE availability.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE availability.%I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY tenant ON availability.%I TO fairslot_availability'
            ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))'
            ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', v_table);
    END LOOP;
    -- The projection, the relay and the sweep work across tenants, on these tables alone.
    FOREACH v_table IN ARRAY ARRAY['allocation', 'resource_generation', 'outbox', 'idem'] LOOP
        EXECUTE format(
            'CREATE POLICY background ON availability.%I TO fairslot_availability_worker'
            ' USING (true) WITH CHECK (true)', v_table);
    END LOOP;
END $$;

-- Whatever the schema's defaults gave is taken back first.
REVOKE ALL ON ALL TABLES IN SCHEMA availability FROM fairslot_availability, fairslot_availability_worker;
GRANT USAGE ON SCHEMA availability TO fairslot_availability, fairslot_availability_worker;
GRANT SELECT, INSERT, UPDATE ON availability.tenant, availability.external_busy, availability.idem
    TO fairslot_availability;
GRANT SELECT, INSERT, UPDATE, DELETE ON availability.resource, availability.service_type
    TO fairslot_availability;
GRANT SELECT, INSERT, DELETE ON availability.weekly_rule, availability.schedule_exception, availability.time_off
    TO fairslot_availability;
GRANT SELECT ON availability.allocation, availability.resource_generation, availability.projection
    TO fairslot_availability;
GRANT SELECT, INSERT ON availability.outbox TO fairslot_availability;
GRANT SELECT, INSERT, UPDATE ON availability.allocation, availability.resource_generation, availability.projection
    TO fairslot_availability_worker;
GRANT SELECT, UPDATE ON availability.outbox TO fairslot_availability_worker;
GRANT SELECT, DELETE ON availability.idem TO fairslot_availability_worker;
