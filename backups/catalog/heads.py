"""Whether the head that the catalog knows is a commit of the repository's chain."""

from __future__ import annotations

from backups.catalog.models import MailboxBackup
from backups.repository import NO_COMMIT, RepositoryError, Vault


class HeadDiffers(RepositoryError):
    """Catalog and chain do not fit: one of them is not what it was. Nothing may be written.

    ``manage.py rebuild_catalog`` makes the catalog fit, and says which commits are gone.
    """


def require_head(backup: MailboxBackup, vault: Vault) -> None:
    """Raises HeadDiffers and Damaged. A chain that is ahead of the catalog is rolled forward.

    The end of a chain can't be proven from the repository; here is where it is remembered.
    """
    head, known = backup.head, bytes(backup.head_hash)
    found = vault.commit_hash(backup.mailbox_id, head) if head else NO_COMMIT
    if found == known:
        return
    if found is not None:
        # Says what is damaged when the object itself does not open.
        vault.read_commit(backup.mailbox_id, head)
        raise HeadDiffers(f"commit {head} of the repository is not the one that the catalog knows")
    last = max(vault.sequences(backup.mailbox_id), default=0)
    if last > head:
        raise HeadDiffers(f"commit {head}, the catalog's last, is gone; the chain is at {last}")
    raise HeadDiffers(f"the chain was shortened: it ends at {last}, the catalog knows {head}")
