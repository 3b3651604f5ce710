"""Pages of a folder, or of a mailbox over all its folders.

An index over an expression with coalesce() is not entered at a value under row security, because
PostgreSQL takes the expression for one that could tell a hidden row; a page deep in a folder would
read all rows before it. So the page is found by a function with the owner's rights, which asks for
the tenant that is set, and returns ids only.

No index has the order of a mailbox over all folders, and every row written would pay for one. Each
folder gives one page by the index it has; the newest of all of these are the page. The folders are
read from the items, so what is in a folder that the source never told of is listed too.
"""

from django.db import migrations

PAGE = """
CREATE FUNCTION backups_page(
    of_backup uuid, of_folder text, point integer,
    after_date timestamptz, after_id bigint, most integer
) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM backups_mailboxbackup b
        WHERE b.tenant_id = tenant AND b.id = of_backup) THEN
        RETURN;
    END IF;
    after_date := coalesce(after_date, 'infinity');
    after_id := coalesce(after_id, 9223372036854775807);
    RETURN QUERY WITH RECURSIVE folders (folder_id) AS (
        (SELECT coalesce(of_folder, (SELECT v.folder_id FROM backups_itemversion v
            WHERE v.backup_id = of_backup ORDER BY v.folder_id LIMIT 1)))
        UNION ALL
        SELECT (SELECT v.folder_id FROM backups_itemversion v
            WHERE v.backup_id = of_backup AND v.folder_id > f.folder_id
            ORDER BY v.folder_id LIMIT 1)
        FROM folders f WHERE f.folder_id IS NOT NULL AND of_folder IS NULL
    )
    SELECT page.id FROM folders f CROSS JOIN LATERAL (
        SELECT v.id, coalesce(v.received_at, '1601-01-01 00:00:00+00'::timestamptz) AS listed_at
        FROM backups_itemversion v
        WHERE v.tenant_id = tenant AND v.backup_id = of_backup AND v.folder_id = f.folder_id
            AND v.first <= point AND (v.last IS NULL OR v.last > point)
            AND (coalesce(v.received_at, '1601-01-01 00:00:00+00'::timestamptz), v.id)
                < (after_date, after_id)
        ORDER BY coalesce(v.received_at, '1601-01-01 00:00:00+00'::timestamptz) DESC, v.id DESC
        LIMIT most
    ) page ORDER BY page.listed_at DESC, page.id DESC LIMIT most;
END
$$;
REVOKE ALL ON FUNCTION backups_page FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backups_page TO portal_app;
"""


class Migration(migrations.Migration):
    dependencies = [("backups", "0020_archive_of_mailbox")]

    operations = [migrations.RunSQL(PAGE, "DROP FUNCTION backups_page")]
