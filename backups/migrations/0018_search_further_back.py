"""Searches for words that each stand in many mails of millions.

A word also finds those that begin with it, so the index over words gives every mail of each before
they are compared. How many of the newest rows fit says how far back a page of them reaches; when
that is not far, they are looked through instead. More memory keeps the index's answer exact: in
four megabytes it is whole pages of rows, each of which has to be read.
"""

from django.db import migrations

SEARCH = """
CREATE OR REPLACE FUNCTION backups_search(
    wanted tsquery, backup uuid, state text, point integer,
    since timestamptz, until timestamptz, smallest bigint, largest bigint,
    after_date timestamptz, after_id bigint, most integer
) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET work_mem = '64MB' AS $$
DECLARE
    -- Newest rows that are looked through before the index over words is asked: it gives all
    -- rows that fit, which is too much for a word that stands in every tenth mail.
    near constant integer := 10000;
    -- And before it is asked for words that are each common, but seldom together.
    far constant integer := 100000;
    tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    sorted constant text :=
        $sorted$coalesce(v.received_at, '1601-01-01 00:00:00+00'::timestamptz)$sorted$;
    newest constant text := ' ORDER BY ' || sorted || ' DESC, v.id DESC';
    rows text := 'SELECT v.* FROM backups_itemversion v WHERE v.tenant_id = $1';
    fits text := '';
    words text := '';
    found bigint[];
    seen bigint;
BEGIN
    IF tenant IS NULL OR most IS NULL OR most < 1 THEN
        RETURN;
    END IF;
    IF wanted IS NOT NULL AND numnode(wanted) > 0 THEN
        wanted := wanted && ('''#t' || replace(tenant::text, '-', '') || '''')::tsquery;
        words := ' AND v.search @@ $2';
    END IF;
    IF state = 'now' THEN
        fits := fits || ' AND v.last IS NULL';
    ELSIF state = 'point' THEN
        fits := fits || ' AND v.first <= $4 AND (v.last IS NULL OR v.last > $4)';
    ELSIF state = 'gone' THEN
        -- The newest version of what was there before the point and is not there at it.
        fits := fits || ' AND v.last <= $4 AND NOT EXISTS (SELECT FROM'
            ' backups_itemversion w WHERE w.backup_id = v.backup_id AND w.item_id = v.item_id'
            ' AND w.first <= $4 AND w.first > v.first)';
    ELSIF state IS DISTINCT FROM 'ever' THEN
        RAISE EXCEPTION 'no such state: %', state;
    END IF;
    IF backup IS NOT NULL THEN
        rows := rows || ' AND v.backup_id = $3';
    END IF;
    IF since IS NOT NULL THEN
        rows := rows || ' AND ' || sorted || ' >= $5';
    END IF;
    IF until IS NOT NULL THEN
        rows := rows || ' AND ' || sorted || ' < $6';
    END IF;
    IF smallest IS NOT NULL THEN
        fits := fits || ' AND v.size >= $7';
    END IF;
    IF largest IS NOT NULL THEN
        fits := fits || ' AND v.size <= $8';
    END IF;
    IF after_id IS NOT NULL THEN
        rows := rows || ' AND (' || sorted || ', v.id) < ($9, $10)';
    END IF;
    after_date := coalesce(after_date, '1601-01-01 00:00:00+00'::timestamptz);
    IF words <> '' AND backup IS NULL THEN
        EXECUTE 'WITH near AS MATERIALIZED (' || rows || newest || ' LIMIT ' || near || ')'
            ' SELECT (SELECT count(*) FROM near),'
            ' ARRAY(SELECT v.id FROM near v WHERE true' || words || fits || newest || ' LIMIT $11)'
            INTO seen, found USING tenant, wanted, backup, point, since, until, smallest, largest,
            after_date, after_id, most;
        IF cardinality(found) >= most OR seen < near THEN
            RETURN QUERY SELECT unnest(found);
            RETURN;
        END IF;
        IF cardinality(found) * (far / near / 2) >= most THEN
            EXECUTE 'SELECT ARRAY(SELECT v.id FROM (' || rows || newest || ' LIMIT ' || far ||
                ') v WHERE true' || words || fits || newest || ' LIMIT $11)'
                INTO found USING tenant, wanted, backup, point, since, until, smallest, largest,
                after_date, after_id, most;
            IF cardinality(found) >= most THEN
                RETURN QUERY SELECT unnest(found);
                RETURN;
            END IF;
        END IF;
        -- OFFSET 0 keeps the order and the limit out of the choice of the index.
        rows := 'SELECT * FROM (' || rows || words || ' OFFSET 0) v WHERE true';
    ELSE
        rows := rows || words;
    END IF;
    RETURN QUERY EXECUTE 'SELECT v.id FROM (' || rows || fits || ') v' || newest || ' LIMIT $11'
        USING tenant, wanted, backup, point, since, until, smallest, largest,
        after_date, after_id, most;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("backups", "0017_clock_watch")]

    # The function before this one finds the same, so there is nothing to undo.
    operations = [migrations.RunSQL(SEARCH, migrations.RunSQL.noop)]
