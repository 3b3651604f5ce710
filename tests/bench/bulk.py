"""A large catalog of several tenants, written past the way of a backup: only reading it counts.

Words and people follow Zipf's law, as those of mail do; dates grow with the items of a mailbox;
one subject in four has a number of its own, and every tenant has words that no other one has.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from psycopg import Connection

    from backups.catalog.rows import Version

MAILBOX_ITEMS: Final = 10_000
SHARES: Final = (0.8, 0.15, *(0.05 / 20 for _ in range(20)))
"""Of all items, one number a tenant: the first is a large customer, most are small."""
VERSIONS: Final = 1.1
"""Of an item, on average."""
DAY: Final = timedelta(days=1)
YEARS: Final = 10
LAST: Final = datetime(2026, 1, 1, tzinfo=UTC)
COMMITS: Final = 60
FOLDERS: Final = ("inbox", "sent", "archive", *(f"project {n}" for n in range(9)))
_FOLDER_WEIGHTS: Final = (40, 25, 15, 5, 4, 3, 2, 2, 1, 1, 1, 1)
_CLASSES: Final = (
    "IPM.Note", "IPM.Appointment", "IPM.Schedule.Meeting.Request", "IPM.Contact", "IPM.Task",
    "IPM.Note.SMIME", "REPORT.IPM.Note.NDR", "IPM.StickyNote",
)  # fmt: skip
_CLASS_WEIGHTS: Final = (880, 60, 25, 20, 5, 4, 4, 2)
_AT_ONCE: Final = 1_000


class Vocabulary:
    """Words whose rank-th is as frequent as 1/rank; people and file names out of them."""

    def __init__(self, rng: random.Random) -> None:
        syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
        made = ("".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(60_000))
        self.words = list(dict.fromkeys(made))
        self._weights = weights(len(self.words))
        self._rng = rng

    def some(self, count: int) -> list[str]:
        return self._rng.choices(self.words, cum_weights=self._weights, k=count)

    def person(self) -> str:
        first, last = self._rng.choices(self.words[:4_000], k=2)
        return f"{first.title()} {last.title()} <{first}.{last}@{self.words[len(first)]}.example>"


def weights(count: int) -> list[float]:
    """Cumulated, of the ranks 1 to ``count``."""
    return list(itertools.accumulate(1 / (n + 3) for n in range(count)))


def own_words(number: int) -> list[str]:
    """Words that only the tenant of this number has."""
    return [f"xq{number}{suffix}" for suffix in ("alpha", "bravo", "charlie", "delta", "echo")]


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Some mailboxes of one tenant, for one process to fill."""

    tenant: UUID
    number: int
    backups: tuple[UUID, ...]
    items: int
    """Of each mailbox; one in ten has an older version beside the newest."""


def load(data_dir: Path, parts: list[Mailboxes]) -> None:
    """Fill the mailboxes on all cores, indexes made last; statistics are up to date afterwards."""
    from portal.database import ROLES, LocalDatabase

    with LocalDatabase(data_dir).connect(ROLES["owner"]) as owner:
        again = _bare(owner)
        spawn = get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
            list(pool.map(_fill, itertools.repeat(data_dir), parts))
        for statement in again:
            owner.execute(statement)
        owner.execute("VACUUM (ANALYZE) backups_itemversion")


def _bare(owner: Connection) -> list[str]:
    """The table without indexes and keys, open to COPY; what makes it whole again."""
    table = "backups_itemversion"
    keys = owner.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype = 'f'",
        [table],
    ).fetchall()
    indexes = owner.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i"
        " WHERE indrelid = %s::regclass"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        [table],
    ).fetchall()
    owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for name, _ in keys:
        owner.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name, _ in indexes:
        owner.execute(f"DROP INDEX {name}")
    return [
        "SET maintenance_work_mem = '1GB'",
        *(definition for _, definition in indexes),
        *(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {rule}' for name, rule in keys),
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
    ]


def _fill(data_dir: Path, part: Mailboxes) -> None:
    """In a process of its own."""
    os.environ["PORTAL_DATA_DIR"] = str(data_dir)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django

    django.setup()
    from backups.catalog import rows
    from portal.database import ROLES, LocalDatabase

    mail = Mail(part)
    with LocalDatabase(data_dir).connect(ROLES["owner"]) as owner:
        for backup in part.backups:
            lines = rows.lines(mail.of(backup), part.tenant)
            copying = f"COPY backups_itemversion ({rows.COLUMNS}) FROM STDIN"
            with owner.cursor() as cursor, cursor.copy(copying) as copy:
                while some := "".join(itertools.islice(lines, _AT_ONCE)):
                    copy.write(some)


@cache
def _everybody() -> tuple[list[str], list[str]]:
    """The words, and the people outside of all tenants."""
    text = Vocabulary(random.Random(7))
    return text.words, [text.person() for _ in range(20_000)]


def _people(number: int, count: int) -> list[str]:
    text = Vocabulary(random.Random(number))
    return [text.person() for _ in range(count)]


class Mail:
    """What the mailboxes of one tenant hold."""

    def __init__(self, part: Mailboxes) -> None:
        self._part = part
        self._rng = random.Random(part.backups[0].int)
        self._words, strangers = _everybody()
        self._word_weights = weights(len(self._words))
        self._own = own_words(part.number)
        self._people = [*_people(part.number, 400), *strangers]
        self._people_weights = weights(len(self._people))

    def of(self, backup: UUID) -> Iterator[Version]:
        for number in range(self._part.items):
            yield from self._versions(backup, number)

    def _versions(self, backup: UUID, number: int) -> Iterator[Version]:
        """One item: in one mailbox of ten changed later, one of thirty gone."""
        rng = self._rng
        newest = self._version(backup, number)
        luck = rng.random()
        first = rng.randrange(1, COMMITS - 1)
        if luck < 0.1:
            later = rng.randrange(first + 1, COMMITS)
            yield replace(newest, first=first, last=later, is_read=False)
            yield replace(newest, first=later)
        else:
            last = rng.randrange(first + 1, COMMITS) if luck > 0.97 else None
            yield replace(newest, first=first, last=last)

    def _version(self, backup: UUID, number: int) -> Version:
        from backups.catalog.rows import Version

        rng = self._rng
        part = self._part
        back = timedelta(days=365.25 * YEARS) * (1 - (number + rng.random()) / part.items)
        date = LAST - back
        people = rng.choices(
            self._people, cum_weights=self._people_weights, k=1 + min(9, int(rng.expovariate(0.5)))
        )
        files = rng.randint(1, 3) if rng.random() < 0.2 else 0
        return Version(
            tenant_id=part.tenant,
            backup_id=backup,
            item_id=f"AAMkAGI2{rng.getrandbits(160):040x}{number:08d}AAA=",
            change_key=f"CQAAABYAAAD{rng.getrandbits(64):016x}",
            folder_id=f"{backup.hex[:12]}-{rng.choices(FOLDERS, weights=_FOLDER_WEIGHTS)[0]}",
            first=1,
            last=None,
            item_class=rng.choices(_CLASSES, weights=_CLASS_WEIGHTS)[0],
            subject=self._subject(),
            sender=people[0],
            recipients="; ".join(people[1:]) or people[0],
            message_id=f"<{rng.getrandbits(96):024x}@mail.example>",
            sent_at=date - timedelta(seconds=rng.randrange(300)),
            received_at=date,
            size=int(rng.lognormvariate(9.9, 1.4)) + 1_500 + files * rng.randrange(2_000_000),
            is_read=rng.random() < 0.85,
            is_draft=rng.random() < 0.01,
            is_flagged=rng.random() < 0.01,
            importance=2 if rng.random() < 0.02 else 1,
            attachments=[[f"{' '.join(self._some(2))}.pdf", 90_000] for _ in range(files)],
            categories=["Blue category"] if rng.random() < 0.02 else [],
            notes=[],
            digest=rng.randbytes(32),
            sha256=rng.randbytes(32),
            references=rng.randbytes(230),
        )

    def _subject(self) -> str:
        rng = self._rng
        parts = self._some(rng.randint(2, 9))
        luck = rng.random()
        if luck < 0.4:
            parts.insert(0, "RE:" if luck < 0.3 else "FW:")
        if rng.random() < 0.25:
            parts.append(f"#{rng.randrange(10_000_000)}")
        if rng.random() < 0.02:
            parts.append(rng.choice(self._own))
        return " ".join(parts)

    def _some(self, count: int) -> list[str]:
        return self._rng.choices(self._words, cum_weights=self._word_weights, k=count)
