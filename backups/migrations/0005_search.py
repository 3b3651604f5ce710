"""Searching the items of a tenant by words.

Text-search operators are not leakproof: under row security PostgreSQL filters rows by the policy
first and never looks into the GIN index. So the search runs in one function with the owner's
rights, which asks for the tenant's own mark itself, whatever it is given. It returns ids only;
the rows are read by ``portal_app`` under row security, as all others.
"""

from datetime import UTC, datetime

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models
from django.db.models.functions import Coalesce

SEARCH = """
CREATE FUNCTION backups_search(
    wanted tsquery, backup uuid, state text, point integer,
    since timestamptz, until timestamptz, smallest bigint, largest bigint,
    after_date timestamptz, after_id bigint, most integer
) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    -- Newest rows that are looked through before the index over words is asked: it gives all
    -- rows that fit, which is too much for a word that stands in every tenth mail.
    near constant integer := 10000;
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
REVOKE ALL ON FUNCTION backups_search FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backups_search TO portal_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0004_schedule_needs_minutes"),
        ("tenants", "0003_real_time_zones"),
    ]

    operations = [
        migrations.AddField("itemversion", "is_draft", models.BooleanField(default=False)),
        migrations.AddField("itemversion", "is_flagged", models.BooleanField(default=False)),
        migrations.AddField(
            "itemversion",
            "search",
            django.contrib.postgres.search.SearchVectorField(default="", editable=False),
        ),
        migrations.RemoveIndex("itemversion", "items_of_a_folder"),
        migrations.AddIndex(
            "itemversion",
            models.Index(
                models.F("backup"),
                models.F("folder_id"),
                Coalesce("received_at", datetime(1601, 1, 1, tzinfo=UTC)).desc(),
                models.F("id").desc(),
                name="items_of_a_folder",
            ),
        ),
        migrations.AddIndex(
            "itemversion",
            models.Index(models.F("backup"), models.F("item_id"), name="versions_of_an_item"),
        ),
        migrations.AddIndex(
            "itemversion",
            django.contrib.postgres.indexes.GinIndex(fields=["search"], name="items_by_words"),
        ),
        migrations.AddIndex(
            "itemversion",
            models.Index(
                models.F("tenant"),
                Coalesce("received_at", datetime(1601, 1, 1, tzinfo=UTC)).desc(),
                models.F("id").desc(),
                name="newest_items",
            ),
        ),
        migrations.RunSQL(SEARCH, "DROP FUNCTION backups_search"),
    ]
