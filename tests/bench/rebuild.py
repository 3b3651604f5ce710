"""How fast the catalog is made again from a repository.

    python -m tests.bench.rebuild [--mailboxes 10] [--items 10000] [--processes N] [--json]

Chains are written into a repository of a portal of their own, two thousand versions a commit as a
slice makes them, then ``rebuild_catalog`` replays them: once with all indexes in place, as for one
tenant, and once with the index over words made last, as for a whole database.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from backups.repository import ItemRecord
    from tests.cast import Cast, Company

ASKED: Final = 20_000
COMMIT: Final = 2_000
START: Final = 1_500_000_000_000_000
"""Microseconds since 1970."""
YEAR: Final = 365 * 86_400_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rebuild", description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=10)
    parser.add_argument("--items", type=int, default=10_000, help="of each mailbox")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stowage-bench-"))
    os.environ["PORTAL_DATA_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        figures = _run(folder, arguments.mailboxes, arguments.items, arguments.processes)
    finally:
        from portal.database import LocalDatabase

        LocalDatabase(folder).remove()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        missed = "  MISSED" if figure < ASKED else ""
        print(f"{name:60} {figure:>10,.0f}  {figure / ASKED:5.2f} of {ASKED:,} asked{missed}")


def _run(folder: Path, mailboxes: int, items: int, processes: int) -> dict[str, float]:
    import django

    from portal.database import LocalDatabase

    LocalDatabase(folder).start()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0, interactive=False)
    from tests.cast import make_cast

    cast = make_cast(folder / "repository")
    _forget_rows_without_chains(cast)
    rng = random.Random(7)
    for number in range(mailboxes):
        _write_chain(cast.acme, number, items, rng)
    versions = mailboxes * items
    figures: dict[str, float] = {}
    with Path(os.devnull).open("w") as nowhere:

        def rebuild(**options: object) -> None:
            call_command(
                "rebuild_catalog",
                processes=processes,
                stdout=nowhere,
                stderr=nowhere,
                **options,
            )
            _require(cast.acme, versions)

        for name, action in (
            ("rows that were not there, index over words last", lambda: rebuild()),
            ("rows replaced, all indexes in place", lambda: rebuild(tenant="acme")),
            ("rows replaced, index over words last", lambda: rebuild()),
        ):
            rate = versions / _seconds(action)
            figures[f"versions/s, {name}"] = rate
    return figures


def _require(company: Company, versions: int) -> None:
    """Raises RuntimeError: what is not made again is not to be measured."""
    from backups.catalog.models import ItemVersion
    from tenants.isolation.scope import tenant_scope

    with tenant_scope(company.id):
        found = ItemVersion.objects.filter(backup__mailbox__source_id__startswith="MBX:").count()
    if found != versions:
        raise RuntimeError(f"{found} item versions were made again instead of {versions}")


def _forget_rows_without_chains(cast: Cast) -> None:
    from backups.catalog.models import MailboxBackup
    from tenants.isolation.scope import tenant_scope

    for company in (cast.acme, cast.globex):
        with tenant_scope(company.id):
            MailboxBackup.objects.update(head=0)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _write_chain(company: Company, number: int, items: int, rng: random.Random) -> None:
    from backups.catalog.models import MailboxBackup
    from backups.infrastructure.keys import open_vault
    from backups.organizations.models import Mailbox
    from backups.repository import NO_COMMIT, Commit, CommitKind
    from tenants.isolation.scope import tenant_scope
    from tests.bench.bulk import Vocabulary

    text = Vocabulary(rng)
    with tenant_scope(company.id):
        mailbox = Mailbox.objects.create(
            organization=company.organization,
            source_id=f"MBX:{number}",
            address=f"m{number}@acme.example",
            name=f"M{number}",
            kind="user",
        )
        MailboxBackup.objects.create(mailbox=mailbox, allocation=company.allocation)
        vault = open_vault(company.allocation.repository_id)
    previous = NO_COMMIT
    for sequence, start in enumerate(range(0, items, COMMIT), start=1):
        last = min(start + COMMIT, items)
        previous = vault.write_commit(
            Commit(
                mailbox=mailbox.pk,
                sequence=sequence,
                kind=CommitKind.COMPLETE if last == items else CommitKind.PARTIAL,
                previous=previous,
                run=uuid4(),
                taken_at=datetime.now(UTC),
                items=[_item(n, text, rng) for n in range(start, last)],
            )
        )


def _item(number: int, text: object, rng: random.Random) -> ItemRecord:
    from backups.parts import Layout, Recipe
    from backups.repository import BlobRef, ItemRecord
    from tests.bench.bulk import Vocabulary

    assert isinstance(text, Vocabulary)
    sender, receiver = text.person(), text.person()
    return ItemRecord(
        item_id=f"AAMkAGI2{rng.getrandbits(128):032x}{number:08d}=",
        change_key="CQAAABYAAAD",
        folder_id=f"folder-{number % 12}",
        item_class="IPM.Note",
        size=rng.randrange(2_000, 200_000),
        sha256=rng.randbytes(32),
        recipe=Recipe(Layout.RAW, 1, 0, (), ((120, 1),)),
        blobs=tuple(BlobRef(rng.randbytes(32), rng.randbytes(32), 4_000) for _ in range(2)),
        index={
            "subject": " ".join(text.some(6)),
            "sender_name": sender.split(" <")[0],
            "sender_address": sender.split("<")[1][:-1],
            "to": receiver,
            "message_id": f"<{rng.getrandbits(64):x}@acme.example>",
            "sent_at": START + rng.randrange(10 * YEAR),
            "received_at": START + rng.randrange(10 * YEAR),
            "attachments": [[f"{text.some(1)[0]}.pdf", 9]] if rng.random() < 0.3 else [],
            "digest": rng.randbytes(32).hex(),
        },
    )


if __name__ == "__main__":
    main()
