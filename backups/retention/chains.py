"""Before anything may go: every commit that there is or may yet be is known."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from uuid import UUID

from django.utils import timezone

from backups.catalog import projection
from backups.catalog.models import MailboxBackup
from backups.infrastructure.services import open_stored
from backups.repository import (
    Commit,
    CommitKind,
    KeyDestroyed,
    NotFound,
    StoredCommit,
    Unreadable,
    Vault,
)
from backups.repository.escrow import EscrowedMailboxKeys
from backups.retention.needed import NeededBlobs
from backups.retention.outcome import CollectionAborted, TryAgainSoon
from backups.sessions.models import Kind, State, Task
from portal.ids import uuid7
from tenants.isolation.scope import tenant_scope

Look = Callable[[int, int], None]
"""Is told how many mailboxes were looked at, and how many there are."""


def _close(task: Task, vault: Vault) -> bool:
    locked = MailboxBackup.objects.select_for_update(of=("self",), no_key=True)
    backup = locked.get(pk=task.backup_id)
    if Task.objects.filter(backup=backup, state=State.RUNNING).exists():
        return False
    _catch_up(backup, vault)
    if task.lost_head is None or backup.head <= task.lost_head:
        commit = Commit(
            mailbox=backup.mailbox_id,
            sequence=backup.head + 1,
            kind=CommitKind.VOID,
            previous=bytes(backup.head_hash),
            run=uuid7(),
            taken_at=timezone.now(),
        )
        stored_hash = vault.write_commit(commit)
        projection.apply(backup, StoredCommit(commit, stored_hash), vault)
    return True


def _catch_up(backup: MailboxBackup, vault: Vault) -> None:
    for stored in vault.commits(backup.mailbox_id, after=backup.head):
        projection.apply(backup, stored, vault)


class Chains:
    """The mailboxes of a share, as catalog and repository tell of them."""

    def __init__(self, repository_id: UUID, vault: Vault) -> None:
        self._repository = repository_id
        self._vault = vault
        self._stored = open_stored(repository_id)
        self.destroyed = vault.destroyed_mailboxes()
        """Nothing is needed for them any more."""
        with tenant_scope(vault.tenant):
            share = MailboxBackup.objects.filter(allocation__repository_id=repository_id)
            rows = list(share.select_related("mailbox"))
        self.backups = [row for row in rows if row.mailbox_id not in self.destroyed]
        self.strangers: list[UUID] = []
        """Mailboxes with commits of which the catalog has no rows."""

    def close_lost_workers(self) -> None:
        """Fill the number that a worker which stopped reporting could still write."""
        with tenant_scope(self._vault.tenant):
            lost = Task.objects.filter(repository_id=self._repository, lost_fence__isnull=False)
            tasks = list(lost.exclude(state=State.RUNNING).select_related("backup"))
        for task in tasks:
            with tenant_scope(self._vault.tenant):
                # What is written under a key that is gone says nothing to anybody.
                is_lasting = task.backup.mailbox_id not in self.destroyed
                if task.kind == Kind.BACKUP and is_lasting and not _close(task, self._vault):
                    continue
                Task.objects.filter(pk=task.pk, lost_fence=task.lost_fence).exclude(
                    state=State.RUNNING
                ).update(lost_fence=None, lost_head=None)

    def require_whole(self, look: Look) -> None:
        """Every commit of every mailbox is projected, or the references are not all there are.

        Raises CollectionAborted, TryAgainSoon and RepositoryError.
        """
        known = {backup.mailbox_id for backup in self.backups} | self.destroyed
        chains = {m: self._vault.sequences(m) for m in self._vault.mailboxes()}
        self.strangers = [m for m, numbers in chains.items() if numbers and m not in known]
        for number, backup in enumerate(self.backups):
            look(number, len(self.backups))
            if backup.rebuild_wanted:
                raise CollectionAborted(
                    f"the rows of {backup.mailbox} are to be made again (rebuild_catalog --resume)"
                )
            if backup.head and max(chains.get(backup.mailbox_id, ()), default=0) < backup.head:
                raise CollectionAborted(f"commits of {backup.mailbox} are missing")
        waiting: Collection[MailboxBackup] = self.backups
        for _ in range(3):
            waiting = [backup for backup in waiting if not self._is_projected(backup.pk)]
        if waiting:
            raise TryAgainSoon(f"{next(iter(waiting)).mailbox} is just being written")

    def _is_projected(self, backup_id: UUID) -> bool:
        """A listing may be behind, so the number after the head is asked for by name."""
        with tenant_scope(self._vault.tenant):
            locked = MailboxBackup.objects.select_for_update(of=("self",), no_key=True)
            backup = locked.get(pk=backup_id)
            busy = Task.objects.filter(backup=backup, state=State.RUNNING, kind=Kind.BACKUP)
            if not busy.exists():
                _catch_up(backup, self._vault)
                return True
            # With the row held nobody projects: what is there is of a worker that is about to,
            # or of one before it.
            return self._vault.read_commit(backup.mailbox_id, backup.head + 1) is None

    def gather(self, needed: NeededBlobs, look: Look) -> None:
        """All that is referred to. Raises CollectionAborted and RepositoryError."""
        total = len(self.backups) + len(self.strangers)
        for number, backup in enumerate(self.backups):
            still = partial(look, number, total)
            still()
            needed.add_versions(backup.pk, backup.mailbox_id, self._vault, still)
        for number, mailbox in enumerate(self.strangers, start=len(self.backups)):
            look(number, total)
            self._gather_from_chain(mailbox, needed)

    def _gather_from_chain(self, mailbox: UUID, needed: NeededBlobs) -> None:
        """Nothing says what of it has expired as a whole, so everything of it counts."""
        tenant, keys = self._vault.tenant, self._vault.keys
        escrowed = EscrowedMailboxKeys(self._stored.backend, tenant, keys)
        vault = self._stored.vault(tenant, keys, escrowed)
        try:
            for stored in vault.commits(mailbox):
                items = list(stored.commit.items)
                if stored.commit.checkpoint is not None:
                    items += [i for _, _, i in vault.versions(mailbox, stored.commit.checkpoint)]
                needed.add([ref.id for item in items for ref in item.blobs])
        except (NotFound, KeyDestroyed, Unreadable) as error:
            raise CollectionAborted(
                f"mailbox {mailbox} has commits and no rows in the catalog, and its chain can't be"
                f" read ({error}): `manage.py rebuild_catalog` makes the rows again"
            ) from error
