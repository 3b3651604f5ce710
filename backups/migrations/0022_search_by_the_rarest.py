"""Searches in which one word is rare and others are in every tenth mail.

The search is given in parts that all have to fit. How often each fits among the newest rows says
which of them the index over words is asked for; the others are looked for in the rows that it
gives. When what it would give is more than a page, the newest rows are looked through instead, as
far back as they have to be.
"""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("backups.migrations.0018_search_further_back").SEARCH

SEARCH = """
DROP FUNCTION backups_search;
CREATE FUNCTION backups_search(
    parts tsquery[], backup uuid, state text, point integer,
    since timestamptz, until timestamptz, smallest bigint, largest bigint,
    after_date timestamptz, after_id bigint, most integer
) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET work_mem = '64MB' AS $$
DECLARE
    -- Newest rows that are looked through before the index over words is asked.
    near constant integer := 2000;
    tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    sorted constant text :=
        $sorted$coalesce(v.received_at, '1601-01-01 00:00:00+00'::timestamptz)$sorted$;
    newest constant text := ' ORDER BY ' || sorted || ' DESC, v.id DESC';
    rows text := 'SELECT v.* FROM backups_itemversion v WHERE v.tenant_id = $1';
    fits text := '';
    words text := '';
    found bigint[];
    seen bigint;
    middle timestamptz;
    oldest timestamptz;
    loose tsquery[];
    counts bigint[];
    fitting bigint;
    rarest numeric;
    given numeric := 0;
    reach numeric;
    begun numeric;
    density numeric;
    part tsquery;
    number integer := 0;
    wanted tsquery;
    asked tsquery;
BEGIN
    IF tenant IS NULL OR most IS NULL OR most < 1 THEN
        RETURN;
    END IF;
    -- The shortest first: a row that it does not fit is compared with no other.
    parts := ARRAY(SELECT p FROM unnest(parts) AS p ORDER BY numnode(p));
    FOREACH part IN ARRAY parts LOOP
        IF numnode(part) > 0 THEN
            wanted := CASE WHEN wanted IS NULL THEN part ELSE wanted && part END;
        END IF;
    END LOOP;
    IF wanted IS NOT NULL THEN
        asked := ('''#t' || replace(tenant::text, '-', '') || '''')::tsquery;
        wanted := wanted && asked;
        -- The index knows neither places nor weights: it gives these rows.
        loose := ARRAY(SELECT regexp_replace(regexp_replace(replace(p::text, '<->', '&'),
            $w$':[*][A-D]+$w$, $w$':*$w$, 'g'), $w$':[A-D]+$w$, $w$'$w$, 'g')::tsquery
            FROM unnest(parts) AS p);
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
        EXECUTE 'WITH near AS MATERIALIZED (SELECT v.*, ' || sorted || ' AS listed_at,'
            ' row_number() OVER () AS place FROM (' || rows || newest || ' LIMIT ' || near || ') v)'
            ' SELECT (SELECT count(*) FROM near), (SELECT min(listed_at) FROM near),'
            ' (SELECT listed_at FROM near WHERE place = ' || near / 2 || '),'
            ' ARRAY(SELECT v.id FROM near v WHERE true' || words || fits || newest ||
            ' LIMIT $11), ARRAY(SELECT (SELECT count(*) FROM near v WHERE v.search @@ p.part)'
            ' FROM unnest($12) WITH ORDINALITY AS p (part, place) ORDER BY p.place),'
            ' (SELECT count(*) FROM near v WHERE v.search @@ ALL ($12))'
            INTO seen, oldest, middle, found, counts, fitting USING tenant, wanted, backup, point, since,
            until, smallest, largest, after_date, after_id, most, loose;
        IF cardinality(found) >= most OR seen < near THEN
            RETURN QUERY SELECT unnest(found);
            RETURN;
        END IF;
        -- The index collects every place of a part before it compares it with the others. A part
        -- that is so much more common than the rarest is cheaper looked for in the rows.
        rarest := greatest((SELECT min(c) FROM unnest(counts) AS c), 0.5);
        FOREACH part IN ARRAY parts LOOP
            number := number + 1;
            IF numnode(part) > 0 AND counts[number] * (1 + numnode(part) / 20) < 60 * rarest
                OR counts[number] <= rarest THEN
                asked := asked && part;
                given := given + counts[number];
            END IF;
        END LOOP;
        -- Rows that hold a page at the density of the newest ones; when these are too few to tell
        -- and the index would collect much, ten times as many tell. In milliseconds, as measured
        -- with ten million rows: 3 for a thousand looked through, 32 for one in two thousand
        -- that the index gives, 1.2 for one in two thousand that it collects.
        reach := CASE WHEN cardinality(found) > 1 THEN 1.5 * near * most / cardinality(found)
            WHEN given >= near / 10 THEN 10 * near END;
        begun := extract(epoch FROM oldest);
        density := 2 * extract(epoch FROM middle - oldest) / near;
        WHILE 0.003 * reach < 32 * fitting + 1.2 * given LOOP
            oldest := to_timestamp(greatest(begun - density * (reach - near), -11644473600));
            -- IS TRUE keeps the index over words out.
            EXECUTE 'SELECT ARRAY(SELECT v.id FROM (' || rows || ' AND ' || sorted ||
                ' >= $12 AND (v.search @@ $2) IS TRUE OFFSET 0) v WHERE true' || fits || newest ||
                ' LIMIT $11)'
                INTO found USING tenant, wanted, backup, point, since, until, smallest, largest,
                after_date, after_id, most, oldest;
            IF cardinality(found) >= most THEN
                RETURN QUERY SELECT unnest(found);
                RETURN;
            END IF;
            EXIT WHEN reach <> 10 * near OR cardinality(found) < 3;
            reach := 1.3 * reach * most / cardinality(found);
        END LOOP;
        -- OFFSET 0 keeps the order and the limit out of the choice of the index.
        rows := 'SELECT * FROM (' || rows || ' AND v.search @@ $12 AND (v.search @@ $2) IS TRUE'
            ' OFFSET 0) v WHERE true';
    ELSE
        rows := rows || words;
    END IF;
    RETURN QUERY EXECUTE 'SELECT v.id FROM (' || rows || fits || ') v' || newest || ' LIMIT $11'
        USING tenant, wanted, backup, point, since, until, smallest, largest,
        after_date, after_id, most, asked;
END
$$;
REVOKE ALL ON FUNCTION backups_search FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backups_search TO portal_app;
"""
_RIGHTS = """
REVOKE ALL ON FUNCTION backups_search FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backups_search TO portal_app;
"""


class Migration(migrations.Migration):
    dependencies = [("backups", "0021_pages_of_items")]

    operations = [
        migrations.RunSQL(SEARCH, "DROP FUNCTION backups_search;" + BEFORE + _RIGHTS),
    ]
