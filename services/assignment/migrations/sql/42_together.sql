-- Places many, each as place() would, in one transaction: one flush of the log for all of them.
-- Arguments are those of place(), in its order. One that raises is undone by itself; its answer says
-- what it raised, and whoever sent it places it alone. Nobody is answered before all are committed.
CREATE FUNCTION assignment.place_many(p_calls jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    c jsonb;
    v_outcome jsonb;
    v_outcomes jsonb[] := '{}';
BEGIN
    FOR c IN SELECT x.value FROM jsonb_array_elements(p_calls) AS x LOOP
        BEGIN
            v_outcome := assignment.place(
                c ->> 0, c ->> 1, c ->> 2, c ->> 3, decode(c ->> 4, 'hex'), (c ->> 5)::integer,
                c ->> 6, c ->> 7, c ->> 8, assignment.texts(c -> 9), (c ->> 10)::boolean,
                (c ->> 11)::timestamptz, (c ->> 12)::timestamptz,
                (c ->> 13)::timestamptz, (c ->> 14)::timestamptz,
                (c ->> 15)::double precision, decode(c ->> 16, 'hex'), c ->> 17,
                (c ->> 18)::integer, (c ->> 19)::integer, nullif(c -> 20, 'null'),
                assignment.texts(c -> 21), nullif(c -> 22, 'null'));
        EXCEPTION WHEN OTHERS THEN
            v_outcome := jsonb_build_object('raised', SQLSTATE);
        END;
        v_outcomes := v_outcomes || v_outcome;
    END LOOP;
    RETURN to_jsonb(v_outcomes);
END $$;

-- An array of texts out of JSON.
CREATE FUNCTION assignment.texts(p_list jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(x.value ORDER BY x.ordinality)
    FROM jsonb_array_elements_text(p_list) WITH ORDINALITY AS x
$$;
