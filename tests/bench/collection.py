"""How long a collection reads what is needed, and in how much memory.

``python -m tests.bench.collection --items 1000000`` starts a PostgreSQL of its own, writes item
versions of three references each into one mailbox's rows, and gathers them as a collection does.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from backups.repository import Vault

REFERENCES: Final = 3
AT_ONCE: Final = 50_000
_COPY: Final = 'COPY many (item_id, "references") FROM STDIN (FORMAT BINARY)'
_INSERT: Final = """
INSERT INTO backups_itemversion (tenant_id, backup_id, item_id, change_key, folder_id, first,
    item_class, subject, sender, recipients, message_id, size, is_read, is_draft, is_flagged,
    importance, attachments, categories, notes, digest, sha256, "references", search)
SELECT %s, %s, item_id, 'k', 'inbox', 1, 'IPM.Note', '', '', '', '', 1, false, false, false,
    1, '[]', '[]', '[]', '', '', "references", '' FROM many
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.collection", description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    items = parser.parse_args().items
    folder = Path(tempfile.mkdtemp(prefix="stowage-bench-"))
    os.environ["PORTAL_DATA_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        _run(folder, items)
    finally:
        from portal.database import LocalDatabase

        LocalDatabase(folder).remove()
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, items: int) -> None:
    import django

    from portal.database import LocalDatabase

    LocalDatabase(folder).start()
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", database="owner", verbosity=0, interactive=False)
    from backups.catalog.models import ItemVersion
    from backups.infrastructure.keys import open_vault
    from backups.restores.models import BasketItem, RestoreItem
    from backups.retention.needed import NeededBlobs
    from tenants.isolation.scope import tenant_scope
    from tests.cast import make_cast

    acme = make_cast(folder / "repository").acme
    with tenant_scope(acme.id):
        vault = open_vault(acme.allocation.repository_id)
        # Those of the cast refer to nothing that could be opened.
        for rows in (RestoreItem, BasketItem, ItemVersion):
            rows.objects.all().delete()
    _fill(acme.id, acme.backup.pk, acme.backup.mailbox_id, vault, items)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE backups_itemversion")
    before = _megabytes()
    began, worked = time.perf_counter(), time.process_time()
    needed = NeededBlobs(acme.id, acme.allocation.repository_id)
    needed.add_versions(acme.backup.pk, acme.backup.mailbox_id, vault, lambda: None)
    read = time.perf_counter() - began
    needed.close()
    needed.bytes_in_packs()
    missing, _ = needed.without_place()
    took, cpu = time.perf_counter() - began, time.process_time() - worked
    print(f"item versions {items:,}, blobs {missing:,}")
    print(f"reading and unsealing {read:.1f} s, all {took:.1f} s, of our processor {cpu:.1f} s")
    print(f"memory {before:.0f} MB before, at most {_megabytes():.0f} MB")


def _fill(tenant: UUID, backup: UUID, mailbox: UUID, vault: Vault, items: int) -> None:
    from django.db import connections

    from tenants.isolation.scope import APP, tenant_scope

    # The key is asked for now, and not while rows are copied.
    vault.seal(mailbox, b"", b"")
    for start in range(0, items, AT_ONCE):
        with tenant_scope(tenant), connections[APP].cursor() as cursor:
            cursor.execute('CREATE TEMPORARY TABLE many (item_id text, "references" bytea)')
            with cursor.copy(_COPY) as copy:
                copy.set_types(["text", "bytea"])
                for row in _rows(mailbox, vault, start, min(items, start + AT_ONCE)):
                    copy.write_row(row)
            cursor.execute(_INSERT, [tenant, backup])
            cursor.execute("DROP TABLE many")


def _rows(mailbox: UUID, vault: Vault, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    from backups.catalog.projection import references_context
    from backups.parts import Layout, Recipe
    from backups.repository import BlobRef, encode_references

    recipe = Recipe(Layout.MIME, 1, 0, ((7_000, 1),), ())
    for number in range(start, end):
        item = f"AAMk{number:060d}"
        refs = tuple(BlobRef(os.urandom(32), bytes(32), 7_000) for _ in range(REFERENCES))
        bound = references_context(item, "k")
        yield item, vault.seal(mailbox, bound, encode_references(recipe, refs))


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
