"""The catalog's tables dropped, copied and put back, as an administrator would."""

from __future__ import annotations

from django.db import connections

CATALOG = (
    "backups_itemfault", "backups_synccursor", "backups_itemversion", "backups_folder",
    "backups_restorepoint", "backups_bloblocation", "backups_pack",
)  # fmt: skip
"""What a rebuild makes again, besides the heads."""
_HEADS = "head, head_hash, current_at, holds"


def copy_catalog() -> None:
    """Put a copy of it aside, as one of the whole database has it."""
    with connections["owner"].cursor() as cursor:
        for table in (*CATALOG, "backups_mailboxbackup"):
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.copy_{table}")
            cursor.execute(f"CREATE TEMPORARY TABLE copy_{table} AS TABLE public.{table}")


def put_catalog_back() -> None:
    """Make the catalog what the copy has. Mailboxes that it does not know are as before a run."""
    drop_catalog()
    with connections["owner"].cursor() as cursor:
        for table in CATALOG:
            cursor.execute(f"INSERT INTO {table} SELECT * FROM copy_{table}")
        cursor.execute(
            f"UPDATE backups_mailboxbackup b SET ({_HEADS}) = (c.head, c.head_hash,"
            " c.current_at, c.holds) FROM copy_backups_mailboxbackup c WHERE c.id = b.id"
        )


def drop_catalog() -> None:
    with connections["owner"].cursor() as cursor:
        for table in ("backups_basketitem", "backups_restoreitem", *CATALOG):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute(
            "UPDATE backups_mailboxbackup SET head = 0, head_hash = %s, current_at = NULL,"
            " holds = '{}'",
            [bytes(32)],
        )


def empty_tables() -> None:
    """All of them in one statement, where Django's own flush would take longer than an example."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename <> 'django_migrations'"
        )
        (tables,) = cursor.fetchone()
        cursor.execute(f"TRUNCATE {tables}")
