"""Collection: packs that hold nothing that is kept any more are found, doomed, and deleted.

Never in one go. A run first deletes what an earlier run doomed, then dooms more. Between the two
lies a fence: a number that every claim of a task draws too. What was doomed before the fence was
drawn is not referred to by anybody who claimed after it, so it may go when no worker with a lower
number is left, and when the references, read again, still name nothing in it. A worker that
stopped reporting counts until the number of the next commit, which it could still write, is
filled: by what it wrote, or by a void commit. No clock decides.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Min, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from backups.catalog import projection
from backups.catalog.models import BlobLocation, ItemVersion, MailboxBackup, Pack
from backups.infrastructure.keys import open_vault
from backups.repository import (
    Commit,
    CommitKind,
    NotFound,
    StoredCommit,
    StoredPack,
    Vault,
    decode_references,
)
from backups.sessions.models import Kind, State, Task
from portal.ids import uuid7
from tenants.isolation.scope import APP, OPERATOR, tenant_scope

log = logging.getLogger(__name__)

MOST_AT_ONCE = 0.5
"""A run that would doom a greater part of the packs, and more than a few, dooms none."""
A_FEW = 20
WORTH_REPACKING = 0.6
"""A pack is copied together with others when less than this part of its bytes is needed."""
REPACK_AT_ONCE = 64
"""Packs that one run copies from."""
GRACE = timedelta(hours=1)
"""For whoever has just looked up where a blob lies and is about to read it; safety needs none."""
ROWS_AT_ONCE = 5_000


class CollectionAborted(Exception):
    """Something is not as it must be before anything may be deleted; nothing more was done."""


@dataclass(slots=True)
class Collected:
    """What a run did; bytes are those of the packs."""

    packs: int = 0
    """All that are there."""
    spared: int = 0
    """Doomed earlier, and needed again."""
    deleted: int = 0
    deleted_bytes: int = 0
    doomed: int = 0
    repacked: int = 0
    waiting: int = 0
    """Doomed and not deleted yet."""


def collect(repository_id: UUID, tenant_id: UUID, *, grace: timedelta = GRACE) -> Collected | None:
    """One run over a tenant's share of a repository; None when another one is at it.

    Raises CollectionAborted and RepositoryError.
    """
    with _alone(repository_id, tenant_id) as alone:
        if not alone:
            return None
        with tenant_scope(tenant_id):
            vault = open_vault(repository_id)
        return _Run(repository_id, tenant_id, vault, grace).run()


@contextmanager
def _alone(repository_id: UUID, tenant_id: UUID) -> Iterator[bool]:
    """Whether nobody else collects here; the lock goes with the connection of who holds it."""
    key = int.from_bytes(repository_id.bytes[-8:], signed=True)
    other = int.from_bytes(tenant_id.bytes[-8:], signed=True)
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key ^ other])
        yield cursor.fetchone()[0]


class _Run:
    def __init__(
        self, repository_id: UUID, tenant_id: UUID, vault: Vault, grace: timedelta
    ) -> None:
        self._repository = repository_id
        self._tenant = tenant_id
        self._vault = vault
        self._grace = grace
        self._done = Collected()
        self._needed: set[bytes] = set()

    def run(self) -> Collected:
        self._close_lost_workers()
        open_fence = self._open_fence()
        self._require_whole_catalog()
        listed = set(self._vault.packs())
        self._done.packs = len(listed)
        self._note_strangers(listed)
        live = self._live_bytes(self._references())
        self._require_listed(set(live), listed)
        self._spare(live)
        self._delete(open_fence, listed)
        self._doom(self._dead(live), len(listed))
        self._repack(live, listed)
        self._draw_fence()
        with tenant_scope(self._tenant):
            self._done.waiting = self._packs().exclude(doomed_at=None).count()
        return self._done

    def _close_lost_workers(self) -> None:
        """Fill the number that a worker which stopped reporting could still write."""
        with tenant_scope(self._tenant):
            lost = Task.objects.filter(repository_id=self._repository, lost_fence__isnull=False)
            tasks = list(lost.exclude(state=State.RUNNING).select_related("backup"))
        for task in tasks:
            with tenant_scope(self._tenant):
                if task.kind == Kind.BACKUP and not self._close(task):
                    continue
                Task.objects.filter(pk=task.pk, lost_fence=task.lost_fence).exclude(
                    state=State.RUNNING
                ).update(lost_fence=None, lost_head=None)

    def _close(self, task: Task) -> bool:
        locked = MailboxBackup.objects.select_for_update(of=("self",), no_key=True)
        backup = locked.get(pk=task.backup_id)
        if Task.objects.filter(backup=backup, state=State.RUNNING).exists():
            return False
        self._catch_up(backup)
        if task.lost_head is None or backup.head <= task.lost_head:
            commit = Commit(
                mailbox=backup.mailbox_id,
                sequence=backup.head + 1,
                kind=CommitKind.VOID,
                previous=bytes(backup.head_hash),
                run=uuid7(),
                taken_at=timezone.now(),
            )
            stored = StoredCommit(commit, self._vault.write_commit(commit))
            projection.apply(backup, stored, self._vault)
        return True

    def _catch_up(self, backup: MailboxBackup) -> None:
        for stored in self._vault.commits(backup.mailbox_id, after=backup.head):
            projection.apply(backup, stored, self._vault)

    def _open_fence(self) -> int | None:
        """The lowest number of a worker that may still refer to what it found; None: nobody."""
        with tenant_scope(self._tenant):
            with connections[APP].cursor() as cursor:
                # Waits for claims that have drawn a number and are not committed yet.
                cursor.execute("LOCK TABLE backups_task IN SHARE MODE")
            tasks = Task.objects.filter(repository_id=self._repository).order_by()
            lowest = tasks.aggregate(
                running=Min("fence", filter=Q(state=State.RUNNING)), lost=Min("lost_fence")
            )
        return min((fence for fence in lowest.values() if fence is not None), default=None)

    def _require_whole_catalog(self) -> None:
        """Every commit of every mailbox is projected, or the references are not all there are."""
        with tenant_scope(self._tenant):
            share = MailboxBackup.objects.filter(allocation__repository_id=self._repository)
            backups = {backup.mailbox_id: backup for backup in share}
        there = set(self._vault.mailboxes()) - self._vault.destroyed_mailboxes()
        chains = {m: self._vault.sequences(m) for m in there}
        for mailbox, sequences in chains.items():
            last = max(sequences, default=0)
            if last and mailbox not in backups:
                raise CollectionAborted(f"mailbox {mailbox} is not in the catalog")
        for mailbox, backup in backups.items():
            if backup.rebuild_wanted:
                raise CollectionAborted(f"the rows of mailbox {mailbox} are to be made again")
            if backup.head and max(chains.get(mailbox, ()), default=0) < backup.head:
                raise CollectionAborted(f"commits of mailbox {mailbox} are missing")
            self._require_projected(backup.pk)

    def _require_projected(self, backup_id: UUID) -> None:
        """A listing may be behind, so the number after the head is asked for by name."""
        with tenant_scope(self._tenant):
            locked = MailboxBackup.objects.select_for_update(of=("self",), no_key=True)
            backup = locked.get(pk=backup_id)
            busy = Task.objects.filter(backup=backup, state=State.RUNNING, kind=Kind.BACKUP)
            if not busy.exists():
                self._catch_up(backup)
            # With the row held nobody projects: what is there is of a worker that is about to,
            # or of one before it.
            elif self._vault.read_commit(backup.mailbox_id, backup.head + 1) is not None:
                raise CollectionAborted(f"mailbox {backup.mailbox_id} is just being written")

    def _references(self) -> set[bytes]:
        """Ids of all blobs that a row of the catalog refers to."""
        found: set[bytes] = set()
        after = 0
        while True:
            with tenant_scope(self._tenant):
                rows = list(
                    ItemVersion.objects.filter(
                        backup__allocation__repository_id=self._repository, pk__gt=after
                    )
                    .order_by("pk")
                    .values_list("pk", "backup__mailbox_id", "item_id", "change_key", "references")[
                        :ROWS_AT_ONCE
                    ]
                )
            if not rows:
                return found
            for pk, mailbox, item_id, change_key, sealed in rows:
                context = projection.references_context(item_id, change_key)
                opened = self._vault.unseal(mailbox, context, bytes(sealed))
                found.update(ref.id for ref in decode_references(opened)[1])
                after = pk

    def _live_bytes(self, references: set[bytes]) -> dict[str, int]:
        """Bytes of each pack that are needed. Raises CollectionAborted for a blob without place."""
        live: dict[str, int] = {}
        placed = 0
        wanted = sorted(references)
        for start in range(0, len(wanted), ROWS_AT_ONCE):
            with tenant_scope(self._tenant):
                rows = BlobLocation.objects.filter(
                    repository_id=self._repository, blob__in=wanted[start : start + ROWS_AT_ONCE]
                ).values_list("pack", "length")
                for pack, length in rows:
                    live[pack] = live.get(pack, 0) + length
                    placed += 1
        if placed != len(references):
            raise CollectionAborted(f"{len(references) - placed} blobs are in no known pack")
        self._needed = references
        return live

    def _require_listed(self, live: set[str], listed: set[str]) -> None:
        if missing := live - listed:
            raise CollectionAborted(f"{len(missing)} packs that are needed were not listed")

    def _note_strangers(self, listed: set[str]) -> None:
        """Packs that nobody noted: of a worker that died, or lives and will note them itself."""
        with tenant_scope(self._tenant):
            known = set(self._packs().values_list("name", flat=True))
        for name in listed - known:
            try:
                pack = self._vault.read_pack(name)
            except NotFound:
                continue
            with tenant_scope(self._tenant):
                projection.record_packs(self._repository, [pack])

    def _spare(self, live: Collection[str]) -> None:
        with tenant_scope(self._tenant):
            needed = self._packs().exclude(doomed_at=None).filter(name__in=list(live))
            self._done.spared = needed.update(doomed_at=None, doomed_fence=None)

    def _delete(self, open_fence: int | None, listed: set[str]) -> None:
        """What was doomed before every open worker claimed, object first: a crash leaves rows."""
        with tenant_scope(self._tenant):
            ripe = self._packs().filter(
                doomed_at__lte=Now() - self._grace, doomed_fence__isnull=False
            )
            if open_fence is not None:
                ripe = ripe.filter(doomed_fence__lt=open_fence)
            packs = list(ripe.values_list("name", "size"))
        for name, size in packs:
            if name in listed:
                try:
                    self._vault.delete_pack(name)
                except NotFound:
                    log.info("pack %s was gone already", name)
            with tenant_scope(self._tenant):
                BlobLocation.objects.filter(repository_id=self._repository, pack=name).delete()
                self._packs().filter(name=name).delete()
            listed.discard(name)
            self._done.deleted += 1
            self._done.deleted_bytes += size

    def _dead(self, live: Collection[str]) -> set[str]:
        """Also what is noted and not there, as in a database that was put back from a copy."""
        with tenant_scope(self._tenant):
            sound = self._packs().filter(doomed_at=None)
            return set(sound.values_list("name", flat=True)) - set(live)

    def _doom(self, packs: set[str], of: int) -> None:
        if len(packs) > A_FEW and len(packs) > MOST_AT_ONCE * of:
            raise CollectionAborted(f"{len(packs)} of {of} packs would go: that is too much")
        with tenant_scope(self._tenant):
            doomed = self._packs().filter(name__in=list(packs), doomed_at=None)
            self._done.doomed += doomed.update(doomed_at=Now(), doomed_fence=None)

    def _repack(self, live: dict[str, int], listed: set[str]) -> None:
        with tenant_scope(self._tenant):
            sound = set(self._packs().filter(doomed_at=None).values_list("name", flat=True))
            blobs = BlobLocation.objects.filter(repository_id=self._repository).order_by()
            held = dict(blobs.values_list("pack").annotate(Sum("length")))
        share = {name: live[name] / held[name] for name in sound & listed & live.keys()}
        thin = sorted(
            (name for name, part in share.items() if part < WORTH_REPACKING),
            key=share.__getitem__,
        )[:REPACK_AT_ONCE]
        if not thin:
            return
        repacker = self._vault.repacker()
        for name in thin:
            repacker.copy(name, self._needed_in(name))
        repacker.flush()
        self._exchange(thin, repacker.taken())

    def _needed_in(self, pack: str) -> set[bytes]:
        with tenant_scope(self._tenant):
            rows = BlobLocation.objects.filter(repository_id=self._repository, pack=pack)
            return {bytes(blob) for blob in rows.values_list("blob", flat=True)} & self._needed

    def _exchange(self, old: list[str], new: list[StoredPack]) -> None:
        """One transaction: the old packs are doomed, so what is noted of them gives way."""
        with tenant_scope(self._tenant):
            self._done.repacked = (
                self._packs()
                .filter(name__in=old, doomed_at=None)
                .update(doomed_at=Now(), doomed_fence=None)
            )
            projection.record_packs(self._repository, new)

    def _draw_fence(self) -> None:
        """After the dooming is committed: whoever draws a higher number sees it."""
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute("SELECT nextval('backups_fence')")
            (fence,) = cursor.fetchone()
            self._packs().filter(doomed_at__isnull=False, doomed_fence=None).update(
                doomed_fence=fence
            )

    def _packs(self) -> QuerySet[Pack]:
        return Pack.objects.filter(repository_id=self._repository)
