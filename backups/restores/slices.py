"""The worker's side of a restore."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from backups.catalog.blobs import locator
from backups.catalog.models import Folder
from backups.engine.restore import MailboxRestore, Outcome, Result, StoredFolder, Wanted
from backups.restores.models import RestoreItem
from backups.sessions.failures import Ending, ending_of
from backups.sessions.models import State, Task
from backups.sessions.progress import Heartbeat, TaskProgress
from backups.sessions.services import Claim, fence
from backups.sessions.slices import Bench, bench, end
from backups.sources import Gone
from tenants.isolation.scope import tenant_scope

BATCH = 50
_COUNTERS = {
    Outcome.RESTORED: "items_new",
    Outcome.MERGED: "items_merged",
    Outcome.SKIPPED: "items_skipped",
    Outcome.FAILED: "items_failed",
}


def restore(claims: Sequence[Claim], deadline: float) -> None:
    """Restore the claimed mailboxes; every one of them is ended or put back."""
    with Heartbeat(claims) as heartbeat:
        for claimed in claims:
            if time.monotonic() >= deadline:
                end(claimed, Ending.more_later(), None, heartbeat)
                continue
            with tenant_scope(claimed.tenant_id):
                task = Task.objects.select_related("mailbox", "backup").get(pk=claimed.task_id)
            progress = TaskProgress(claimed, task, heartbeat.lost[claimed.task_id])
            try:
                with bench([claimed]) as shared:
                    ending = _restore(shared, task, progress, deadline)
            except Gone:
                ending = Ending(State.FAILED, "The mailbox is not in the organization any more.")
            except Exception as error:  # noqa: BLE001  (nothing may kill a worker or lose a task)
                ending = ending_of(error)
            end(claimed, ending, progress, heartbeat)


def _restore(shared: Bench, task: Task, progress: TaskProgress, deadline: float) -> Ending:
    engine = MailboxRestore(
        source=shared.source,
        target=task.mailbox.reference,
        mailbox_id=task.mailbox_id,
        vault=shared.vault,
        locate=locator(shared.tenant_id, shared.repository_id),
        folders=_folders(progress.claimed, task),
    )
    engine.open()
    counted: tuple[int, float] = (0, 0.0)
    for item, wanted in _waiting(progress.claimed):
        if time.monotonic() >= deadline:
            return Ending.more_later()
        progress.step()
        result = engine.bring_back(wanted)
        progress.handle(1)
        requests, throttled = shared.source.requests, shared.source.throttled_seconds
        progress.count(requests=requests - counted[0], throttled_seconds=throttled - counted[1])
        counted = requests, throttled
        _note(progress, item, result)
    return _ending(progress.claimed)


def _folders(claimed: Claim, task: Task) -> dict[str, StoredFolder]:
    """Every folder the catalog knows, gone ones too, each as it was last."""
    with tenant_scope(claimed.tenant_id):
        rows = Folder.objects.filter(backup_id=task.backup_id).order_by("first")
        return {
            row.folder_id: StoredFolder(
                row.folder_id, row.parent_id, row.name, row.kind, row.well_known
            )
            for row in rows
        }


def _waiting(claimed: Claim) -> Iterator[tuple[RestoreItem, Wanted]]:
    """The items still to be restored, in the order they were put in, a batch at a time."""
    after = 0
    while True:
        with tenant_scope(claimed.tenant_id):
            rows = list(
                RestoreItem.objects.filter(
                    task_id=claimed.task_id, state=RestoreItem.State.PENDING, pk__gt=after
                ).select_related("version")[:BATCH]
            )
        if not rows:
            return
        for row in rows:
            version = row.version
            yield (
                row,
                Wanted(
                    item_id=version.item_id,
                    change_key=version.change_key,
                    folder_id=version.folder_id,
                    message_id=version.message_id,
                    sha256=bytes(version.sha256),
                    sealed=bytes(version.references),
                    target_folder=row.target_folder,
                ),
            )
        after = rows[-1].pk


def _note(progress: TaskProgress, item: RestoreItem, result: Result) -> None:
    with tenant_scope(progress.claimed.tenant_id):
        fence(progress.claimed)
        RestoreItem.objects.filter(pk=item.pk).update(
            state=result.outcome.value, restored_id=result.restored_id, reason=result.reason
        )
        progress.count(
            **{
                _COUNTERS[result.outcome]: 1,
                "items_seen": 1,
                "bytes_read": item.version.size,
            }
        )
        progress.flush()
    if result.outcome is Outcome.FAILED:
        progress.warn(result.reason, item.version.item_id)


def _ending(claimed: Claim) -> Ending:
    with tenant_scope(claimed.tenant_id):
        items = RestoreItem.objects.filter(task_id=claimed.task_id)
        total, failed = items.count(), items.filter(state=RestoreItem.State.FAILED).count()
    if failed == total:
        return Ending(State.FAILED, f"None of the {total} items could be restored.")
    if failed:
        return Ending(State.WARNING, f"{failed} of {total} items could not be restored.")
    return Ending(State.SUCCESS)
