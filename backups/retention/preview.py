"""What another retention would remove, before anybody decides on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from django.db import connections

from backups.catalog.models import MailboxBackup, RestorePoint
from backups.jobs.models import Job
from backups.jobs.retention import Retention
from backups.organizations.models import Mailbox
from backups.retention.models import LegalHold
from backups.retention.points import Point, expired
from tenants.isolation.scope import APP

SHOWN = 10

# What ends at or before the oldest point that stays is in none that stays.
_VERSIONS = """
SELECT v.backup_id, count(*), coalesce(sum(v.size), 0)
FROM backups_itemversion v JOIN unnest(%s::uuid[], %s::int[]) AS kept (backup_id, oldest)
ON v.backup_id = kept.backup_id AND v.last <= kept.oldest
GROUP BY v.backup_id
"""


@dataclass(frozen=True, slots=True)
class Loss:
    """What one mailbox would lose; bytes as the mailbox counts them, not as they are stored."""

    mailbox: Mailbox
    points: int
    versions: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    losses: Sequence[Loss]
    """Of mailboxes that would lose anything, the greatest first."""
    held: int
    """Mailboxes under legal hold, which lose nothing."""

    @property
    def first(self) -> Sequence[Loss]:
        return self.losses[:SHOWN]

    @property
    def more(self) -> int:
        return len(self.losses) - len(self.first)

    @property
    def points(self) -> int:
        return sum(loss.points for loss in self.losses)

    @property
    def versions(self) -> int:
        return sum(loss.versions for loss in self.losses)

    @property
    def bytes(self) -> int:
        return sum(loss.bytes for loss in self.losses)


def preview(job: Job, retention: Retention, now: datetime) -> Preview:
    """What would go when the job's mailboxes were kept like this from now on."""
    backups = MailboxBackup.objects.filter(
        mailbox__coverage__job=job, allocation=job.allocation_id
    ).select_related("mailbox")
    held = set(
        LegalHold.objects.in_force()
        .filter(mailbox__coverage__job=job)
        .values_list("mailbox_id", flat=True)
    )
    free = {backup.pk: backup for backup in backups if backup.mailbox_id not in held}
    limit = retention.limit(now)
    gone: dict[UUID, int] = {}
    oldest: dict[UUID, int] = {}
    for backup_id, points in _points(free):
        if too_old := expired(points, limit, retention.mode):
            gone[backup_id] = len(too_old)
            oldest[backup_id] = points[len(too_old)][0]
    versions = _versions(oldest)
    losses = [Loss(free[pk].mailbox, gone[pk], *versions.get(pk, (0, 0))) for pk in gone]
    losses.sort(key=lambda loss: (-loss.bytes, -loss.points, loss.mailbox.address))
    return Preview(losses, len(held))


def _points(backups: Collection[UUID]) -> Iterator[tuple[UUID, list[Point]]]:
    """The points of each backup, oldest first."""
    rows = RestorePoint.objects.filter(backup__in=backups).order_by("backup", "sequence")
    values = rows.values_list("backup_id", "sequence", "taken_at")
    for backup_id, found in groupby(values, key=itemgetter(0)):
        yield backup_id, [(sequence, taken_at) for _, sequence, taken_at in found]


def _versions(oldest: Mapping[UUID, int]) -> dict[UUID, tuple[int, int]]:
    """Item versions, and their bytes, in no point from the given one of a backup on."""
    with connections[APP].cursor() as cursor:
        cursor.execute(_VERSIONS, [list(oldest), list(oldest.values())])
        return {backup: (versions, int(size)) for backup, versions, size in cursor.fetchall()}
