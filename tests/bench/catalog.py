"""How fast the catalog takes item versions in and finds them.

    python -m tests.bench.catalog [--items 10000000] [--folder F] [--rounds 40] [--json]

Starts a PostgreSQL of its own with the portal's settings and fills it with several tenants (see
bulk.py). Then, as the role of the portal: searches and pages of the largest tenant and of a small
one, and item versions written by the code that a backup uses. ``--folder`` keeps the database
there, and a second call measures it again. What was asked for and is missed is marked.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from tests.bench import bulk

SEARCH_MS: Final = 300.0
PAGE_MS: Final = 20.0
WRITTEN: Final = 10_000.0
COMMIT: Final = 2_000
"""Item versions of one commit, as a slice makes them."""
WRITES: Final = 40_000
QUERIES: Final = (
    ("rare word", "{rare}"),
    ("common word", "{common}"),
    ("middling word", "{middle}"),
    ("number", "{number}"),
    ("two words", "{common} {middle}"),
    ("three common words", "{common} {common2} {common3}"),
    ("phrase", '"{common} {middle}"'),
    ("phrase of common words", '"{common} {common2}"'),
    ("prefix", "{stem}"),
    ("from", "from:{person}"),
    ("from a colleague, rare subject", "from:{person} subject:{rare}"),
    ("subject", "subject:{middle}"),
    ("attachment name", "attachment:{middle}"),
    ("alternatives", "({rare} OR {middle}) -{common}"),
    ("without a word", "-{common}"),
    ("class", "kind:task"),
    ("class and word", "kind:event {middle}"),
    ("folder", "folder:inbox {middle}"),
    ("attachment and year", "has:attachment {middle} on:2021"),
    ("old month alone", "on:2018-05"),
    ("word in an old month", "{middle} on:2018-05"),
    ("large alone", "larger:50MB"),
    ("large and old", "larger:4MB before:2019"),
    ("flagged and common word", "is:flagged {common}"),
    ("word of another tenant", "{foreign}"),
    ("nothing found", "{rare} from:{person} larger:900MB"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    asked: str = ""
    missed: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.catalog", description=__doc__)
    parser.add_argument("--items", type=int, default=200_000, help="of all tenants")
    parser.add_argument("--folder", type=Path, help="where the database is kept")
    parser.add_argument("--rounds", type=int, default=40, help="searches of each kind")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="stowage-bench-"))
    folder.mkdir(exist_ok=True)
    os.environ["PORTAL_DATA_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from portal.database import LocalDatabase

    figures: dict[str, float] = {}
    try:
        for figure in _run(folder, arguments.items, arguments.rounds):
            figures[figure.name] = figure.value
            if not arguments.json:
                asked = f"{figure.asked}{'  MISSED' if figure.missed else ''}"
                print(f"{figure.name:60} {figure.value:>14,.1f}  {asked}".rstrip(), flush=True)
    finally:
        if arguments.folder:
            LocalDatabase(folder).stop()
        else:
            LocalDatabase(folder).remove()
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps(figures, indent=2))


def _run(folder: Path, items: int, rounds: int) -> Iterator[Figure]:
    import django

    from portal.database import LocalDatabase

    LocalDatabase(folder).start()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0, interactive=False)
    from tenants.isolation.scope import tenant_scope
    from tenants.models import Tenant

    if not Tenant.objects.using("operator").filter(slug="tenant-0").exists():
        began = time.perf_counter()
        _load(folder, items)
        yield Figure("seconds to load", time.perf_counter() - began)
    yield from _sizes()
    yield _warm()
    last = len(bulk.SHARES) - 1
    for number, who in ((0, "largest tenant"), (last, "small tenant")):
        tenant = Tenant.objects.using("operator").get(slug=f"tenant-{number}")
        with tenant_scope(tenant.pk):
            yield from _searches(who, random.Random(number), rounds)
            yield from _pages(who, random.Random(number), rounds)
    largest = Tenant.objects.using("operator").get(slug="tenant-0")
    yield from _write(largest.pk)


def _load(folder: Path, items: int) -> None:
    from django.db import connections

    from backups.infrastructure.keys import ensure_root_key
    from backups.infrastructure.services import allocate, create_repository, default_proxy
    from tenants.services import create_tenant

    ensure_root_key()
    place = folder / "repository"
    repository = create_repository(proxy=default_proxy(), name="Main", location=place)
    parts = []
    for number, share in enumerate(bulk.SHARES):
        tenant = create_tenant(name=f"Tenant {number}", slug=f"tenant-{number}")
        allocate(tenant=tenant, repository=repository, name="Share")
        of_tenant = round(items * share / bulk.VERSIONS)
        boxes = max(1, round(of_tenant / bulk.MAILBOX_ITEMS))
        backups = _mailboxes(tenant.pk, number, boxes)
        for start in range(0, boxes, 10):
            some = tuple(backups[start : start + 10])
            parts.append(bulk.Mailboxes(tenant.pk, number, some, max(1, of_tenant // boxes)))
    connections.close_all()
    bulk.load(folder, parts)


def _mailboxes(tenant: UUID, number: int, count: int) -> list[UUID]:
    from backups.catalog.models import MailboxBackup, RestorePoint
    from backups.infrastructure.models import Allocation
    from backups.organizations.models import Mailbox
    from backups.organizations.services import connect_organization
    from tenants.isolation.scope import tenant_scope
    from tests.cast import credential

    certificate, private_key = credential("Bench")
    with tenant_scope(tenant):
        organization = connect_organization(
            name="Online",
            directory=f"t{number}.example",
            client_id="00000000-0000-0000-0000-000000000001",
            certificate=certificate,
            private_key=private_key,
        )
        found = []
        for box in range(count):
            mailbox = Mailbox.objects.create(
                organization=organization,
                source_id=f"MBX:{box}",
                address=f"m{box}@t{number}.example",
                name=f"M{box}",
                kind="user",
            )
            backup = MailboxBackup.objects.create(
                mailbox=mailbox, allocation=Allocation.objects.get(), head=bulk.COMMITS
            )
            RestorePoint.objects.create(
                backup=backup, sequence=bulk.COMMITS // 2, taken_at=bulk.LAST, items=0, bytes=0
            )
            found.append(backup.pk)
    return found


def _sizes() -> list[Figure]:
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT reltuples, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class"
            " WHERE oid = 'backups_itemversion'::regclass"
        )
        rows, table, indexes = cursor.fetchone()
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index"
            " WHERE indrelid = 'backups_itemversion'::regclass ORDER BY 2 DESC"
        )
        each = cursor.fetchall()
    return [
        Figure("item versions", rows),
        Figure("table, MB", table / 1e6),
        Figure("indexes, MB", indexes / 1e6),
        *(Figure(f"  {name}, MB", size / 1e6) for name, size in each),
        Figure("bytes a version, with indexes", (table + indexes) / max(rows, 1)),
    ]


def _warm() -> Figure:
    """Whoever measures a server that has just started measures the disk."""
    from django.db import connections

    began = time.perf_counter()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM backups_itemversion WHERE size < 0")
    return Figure("seconds to read the whole table once", time.perf_counter() - began)


def _searches(who: str, rng: random.Random, rounds: int) -> Iterator[Figure]:
    text = bulk.Vocabulary(random.Random(7))
    every: list[float] = []
    for name, pattern in QUERIES:
        taken = _timed(lambda pattern=pattern: _search(pattern, text, rng), rounds)
        every += taken
        yield Figure(f"{who}: search, {name}, p50 ms", statistics.median(taken))
        yield _at_most(f"{who}: search, {name}, p95 ms", _p95(taken), SEARCH_MS)
    yield _at_most(f"{who}: search, all, p95 ms", _p95(every), SEARCH_MS)


def _search(pattern: str, text: bulk.Vocabulary, rng: random.Random) -> object:
    from backups.catalog import lexemes
    from backups.catalog.models import MailboxBackup
    from backups.catalog.search import search
    from backups.catalog.terms import understand

    words = text.words
    common = rng.sample(words[:20], 3)
    query = pattern.format(
        rare=rng.choice(words[30_000:]),
        middle=rng.choice(words[200:2_000]),
        common=common[0],
        common2=common[1],
        common3=common[2],
        stem=rng.choice(words)[:4],
        number=rng.randrange(10_000_000),
        person=rng.choice(words[:4_000]),
        foreign=rng.choice(bulk.own_words(1)),
    )

    def folders(name: str) -> list[str]:
        some = MailboxBackup.objects.values_list("pk", flat=True)[:200]
        return [lexemes.folder_mark(f"{pk.hex[:12]}-{name}") for pk in some]

    terms = understand(query, zone=UTC, today=date(2026, 1, 1), folders=folders)
    return search(terms, most=51)


def _pages(who: str, rng: random.Random, rounds: int) -> list[Figure]:
    from backups.catalog.browsing import Place, items
    from backups.catalog.models import RestorePoint
    from backups.catalog.pages import After

    points = list(RestorePoint.objects.select_related("backup")[:200])

    def page(folder: str, after: After | None = None, *, deleted: bool = False) -> object:
        point = rng.choice(points)
        chosen = f"{point.backup_id.hex[:12]}-{folder}" if folder else ""
        return items(Place(point, chosen, "", deleted), after)

    def deep() -> object:
        back = rng.randrange(9 * 365) + rng.random()
        return page("inbox", After(bulk.LAST - bulk.DAY * back, 2**60))

    kinds: tuple[tuple[str, Callable[[], object]], ...] = (
        ("of a folder", lambda: page("inbox")),
        ("of a small folder", lambda: page("project 8")),
        ("deep in a folder", deep),
        ("of a whole mailbox", lambda: page("")),
    )
    return [
        _at_most(f"{who}: page of 50 {name}, p95 ms", _p95(_timed(action, 5 * rounds)), PAGE_MS)
        for name, action in kinds
    ]


def _write(tenant: UUID) -> list[Figure]:
    """As backups of one process do, commit after commit, each of another mailbox."""
    from backups.catalog import rows
    from backups.catalog.models import MailboxBackup
    from tenants.isolation.scope import tenant_scope

    with tenant_scope(tenant):
        backups = list(MailboxBackup.objects.all()[: WRITES // COMMIT])
    # Another seed each time: the items of the run before are still there.
    mail = bulk.Mail(bulk.Mailboxes(tenant, 0, (uuid4(),), COMMIT))
    commits = [list(itertools.islice(mail.of(backup.pk), COMMIT)) for backup in backups]
    began, worked = time.perf_counter(), time.process_time()
    for versions in commits:
        with tenant_scope(tenant):
            rows.insert(versions)
    seconds, processor = time.perf_counter() - began, time.process_time() - worked
    written = len(backups) * COMMIT
    rate = written / seconds
    return [
        Figure("item versions written a second", rate, f">= {WRITTEN:,.0f}", rate < WRITTEN),
        Figure("  microseconds of the client's processor a version", processor / written * 1e6),
    ]


def _at_most(name: str, value: float, most: float) -> Figure:
    return Figure(name, value, f"< {most:.0f}", value >= most)


def _timed(action: Callable[[], object], times: int) -> list[float]:
    """Milliseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
