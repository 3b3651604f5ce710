"""How fast the catalog takes item versions in and finds them: ``python -m tests.bench.catalog``.

Starts a PostgreSQL of its own with the portal's settings, fills one tenant through the code that
a backup uses, and asks as the role of the portal. Words follow Zipf's law, as those of mail do.
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
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

COMMIT: Final = 2_000
"""Item versions of one commit, as a slice makes them."""
MAILBOX_ITEMS: Final = 10_000
START: Final = datetime(2016, 1, 1, tzinfo=UTC)
QUERIES: Final = (
    ("rare word", "{rare}"),
    ("common word", "{common}"),
    ("two words", "{common} {middle}"),
    ("phrase", '"{common} {middle}"'),
    ("prefix", "{stem}"),
    ("from", "from:{person}"),
    ("alternatives", "({rare} OR {middle}) -{common}"),
    ("attachment and year", "has:attachment {middle} on:2021"),
    ("month alone", "on:2023-05"),
    ("large alone", "larger:199kB"),
    ("nothing found", "{rare} from:{person} larger:900MB"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.catalog", description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stowage-bench-"))
    os.environ["PORTAL_DATA_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        figures = _run(folder, arguments.items)
    finally:
        from portal.database import LocalDatabase

        LocalDatabase(folder).remove()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:40} {figure:>14,.1f}" if isinstance(figure, float) else f"{name:40} {figure}")


def _run(folder: Path, items: int) -> dict[str, object]:
    import django

    from portal.database import LocalDatabase

    LocalDatabase(folder).start()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0, interactive=False)
    from tenants.isolation.scope import tenant_scope
    from tests.cast import make_cast

    cast = make_cast(folder / "repository")
    rng = random.Random(7)
    text = Vocabulary(rng)
    figures: dict[str, object] = {"items": items}
    figures |= _fill(cast.acme, items, text, rng)
    from django.db import connections

    connections["owner"].cursor().execute("ANALYZE backups_itemversion")
    with tenant_scope(cast.acme.id):
        figures |= _sizes()
        figures |= _searches(text, rng)
        figures |= _pages(cast.acme, rng)
    return figures


class Vocabulary:
    """Words whose rank-th is as frequent as 1/rank; people and file names out of them."""

    def __init__(self, rng: random.Random) -> None:
        syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
        self.words = list(
            {"".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(60_000)}
        )
        self._weights = list(itertools.accumulate(1 / (n + 3) for n in range(len(self.words))))
        self._rng = rng

    def some(self, count: int) -> list[str]:
        return self._rng.choices(self.words, cum_weights=self._weights, k=count)

    def person(self) -> str:
        first, last = self._rng.choices(self.words[:4_000], k=2)
        return f"{first.title()} {last.title()} <{first}.{last}@{self.words[len(first)]}.example>"


def _fill(company: object, items: int, text: Vocabulary, rng: random.Random) -> dict[str, object]:
    from backups.catalog import rows
    from backups.catalog.models import ItemVersion, MailboxBackup
    from backups.organizations.models import Mailbox
    from tenants.isolation.scope import tenant_scope
    from tests.cast import Company

    assert isinstance(company, Company)
    people = [text.person() for _ in range(5_000)]
    seconds = 0.0
    backup: MailboxBackup | None = None
    for start in range(0, items, COMMIT):
        if start % MAILBOX_ITEMS == 0:
            with tenant_scope(company.id):
                mailbox = Mailbox.objects.create(
                    organization=company.organization,
                    source_id=f"MBX:{start}",
                    address=f"m{start}@acme.example",
                    name=f"M{start}",
                    kind="user",
                )
                backup = MailboxBackup.objects.create(
                    mailbox=mailbox, allocation=company.allocation, head=1
                )
        versions = [
            ItemVersion(
                backup=backup,
                item_id=f"AAMkAGI2{number:040d}",
                change_key="CQAAABYAAAD",
                folder_id=f"folder-{number % 12}",
                first=1,
                item_class="IPM.Note",
                subject=" ".join(text.some(6)),
                sender=rng.choice(people),
                recipients="; ".join(rng.choices(people, k=2)),
                message_id=f"<{number}@acme.example>",
                received_at=START + timedelta(seconds=rng.randrange(10 * 365 * 86_400)),
                size=rng.randrange(2_000, 200_000),
                attachments=[[f"{text.some(1)[0]}.pdf", 9]] if rng.random() < 0.3 else [],
                digest=rng.randbytes(32),
                sha256=rng.randbytes(32),
                references=rng.randbytes(260),
            )
            for number in range(start, min(start + COMMIT, items))
        ]
        began = time.perf_counter()
        with tenant_scope(company.id):
            rows.insert(versions)
        seconds += time.perf_counter() - began
    return {"item versions written per second": items / seconds}


def _sizes() -> dict[str, object]:
    from django.db import connections

    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_table_size('backups_itemversion'), pg_indexes_size('backups_itemversion'),"
            " pg_relation_size('items_by_words')"
        )
        table, indexes, words = cursor.fetchone()
    return {
        "table, MB": table / 1e6,
        "indexes, MB": indexes / 1e6,
        "index over words, MB": words / 1e6,
    }


def _searches(text: Vocabulary, rng: random.Random) -> dict[str, object]:
    from backups.catalog.search import search
    from backups.catalog.terms import understand

    figures: dict[str, object] = {}
    every: list[float] = []
    for name, pattern in QUERIES:

        def ask(pattern: str = pattern) -> object:
            person = rng.choice(text.words[:4_000])
            query = pattern.format(
                rare=rng.choice(text.words[30_000:]),
                middle=rng.choice(text.words[200:2_000]),
                common=rng.choice(text.words[:20]),
                stem=rng.choice(text.words)[:4],
                person=person,
            )
            terms = understand(query, zone=UTC, today=date(2026, 1, 1), folders=lambda _: [])
            return search(terms, most=50)

        taken = _timed(ask, 40)
        every += taken
        figures[f"search, {name}, p95 ms"] = _p95(taken)
    figures["search, all, p95 ms"] = _p95(every)
    return figures


def _pages(company: object, rng: random.Random) -> dict[str, object]:
    from backups.catalog.models import ItemVersion, MailboxBackup

    backups = list(MailboxBackup.objects.values_list("pk", flat=True)[:200])

    def page() -> object:
        rows = ItemVersion.objects.for_lists().at(1).filter(backup=rng.choice(backups))
        folder = f"folder-{rng.randrange(12)}"
        return list(rows.filter(folder_id=folder).order_by("-received_at", "-pk")[:50])

    return {"page of 50 in a folder, p95 ms": _p95(_timed(page, 200))}


def _timed(action: Callable[[], object], times: int) -> list[float]:
    return list(_milliseconds(action, times))


def _milliseconds(action: Callable[[], object], times: int) -> Iterator[float]:
    for _ in range(times):
        began = time.perf_counter()
        action()
        yield (time.perf_counter() - began) * 1000


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
