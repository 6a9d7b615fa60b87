-- History in parts by the day (UTC) of its keys, so that what is old goes
-- whole. What is there already stays together as one part; parts for the days
-- to come are made by whoever serves; what has no part of its own is in the
-- default one. Servers of the version before may go on: their statements stay
-- true. They wait while this looks at what is there.

-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE
    t text; col text; latest bigint;
BEGIN
    SELECT max(k) >> 20 INTO latest FROM (SELECT max(k) AS k FROM events UNION ALL SELECT max(k) FROM deliveries UNION ALL SELECT max(delivery) FROM attempts) AS each;
    FOREACH t IN ARRAY ARRAY['events', 'deliveries', 'attempts'] LOOP
        col := CASE t WHEN 'attempts' THEN 'delivery' ELSE 'k' END;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', t, t || '_before');
        EXECUTE format('ALTER INDEX %I RENAME TO %I', t || '_pkey', t || '_before_pkey');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (%I)', t, t || '_before', col);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', t || '_default', t);
        IF latest IS NULL THEN
            EXECUTE format('DROP TABLE %I', t || '_before');
        ELSE
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)', t, t || '_before',
                ((greatest(latest, (extract(epoch FROM now()) * 1000)::bigint) / 86400000 + 1) * 86400000) << 20);
        END IF;
    END LOOP;
END $$;
-- +goose StatementEnd
