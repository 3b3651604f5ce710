"""A slice: what a worker does between two messages. At most ten minutes, then it rings again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError

from backups.catalog.blobs import writing_locator
from backups.engine.backup import MailboxRun
from backups.engine.exclusions import Exclusions
from backups.engine.group import CommitGroup
from backups.engine.mailbox import Mailbox
from backups.infrastructure.keys import open_vault, save_mailbox_key
from backups.infrastructure.services import measure_allocation
from backups.jobs.exclusions import excluded_folders
from backups.organizations.connections import source_for
from backups.repository import RepositoryError, Vault, WriterFailed
from backups.sessions import services
from backups.sessions.bell import ring
from backups.sessions.failures import TRIES, Ending, ending_of
from backups.sessions.models import Kind, State, Task
from backups.sessions.progress import Heartbeat, TaskProgress
from backups.sessions.reaping import own_name, reap_dead
from backups.sessions.services import Claim, LeaseLost
from backups.sources import MailboxSource
from tenants.isolation.scope import tenant_scope

log = logging.getLogger(__name__)

SLICE_SECONDS = 600.0


@dataclass(frozen=True)
class Bench:
    """What the tasks of a slice share: one tenant, one organization, one repository."""

    tenant_id: UUID
    repository_id: UUID
    allocation_id: UUID
    source: MailboxSource
    vault: Vault


def run_queue(queue: str) -> bool:
    """Claim and work until the slice is over or nothing waits. True when more is waiting."""
    reap_dead(queue)
    owner = own_name()
    deadline = time.monotonic() + SLICE_SECONDS
    rung = False
    while time.monotonic() < deadline:
        claims = services.claim(queue=queue, owner=owner)
        if not claims:
            return False
        if not rung and services.waiting(queue):
            # One ring woke this worker; the next wakes another for what it left.
            ring(queue)
            rung = True
        if claims[0].kind == Kind.RESTORE:
            from backups.restores.slices import restore

            restore(claims, deadline)
        else:
            back_up(claims, deadline)
    return services.waiting(queue)


def back_up(claims: Sequence[Claim], deadline: float) -> None:
    """Back up the claimed mailboxes; every one of them is ended or put back."""
    with Heartbeat(claims) as heartbeat:
        try:
            with bench(claims) as shared:
                _BackupSlice(shared, claims, heartbeat, deadline).run()
        except Exception as error:  # noqa: BLE001  (nothing may kill a worker or lose a task)
            for claimed in list(claims):
                end(claimed, ending_of(error), None, heartbeat)


@contextmanager
def bench(claims: Sequence[Claim]) -> Iterator[Bench]:
    """Open the source and the vault that the claimed tasks share."""
    first = claims[0]
    with tenant_scope(first.tenant_id):
        tasks = Task.objects.select_related("session__organization", "backup")
        task = tasks.get(pk=first.task_id)
        vault = open_vault(task.repository_id)
        source = source_for(task.session.organization)
    try:
        yield Bench(first.tenant_id, task.repository_id, task.backup.allocation_id, source, vault)
    finally:
        source.close()


def end(
    claimed: Claim, ending: Ending, progress: TaskProgress | None, heartbeat: Heartbeat
) -> None:
    """Write how a task ended; a task that is not ours any more is left alone."""
    try:
        if not heartbeat.lost[claimed.task_id].is_set():
            _end(claimed, ending, progress, heartbeat.lost[claimed.task_id])
    except LeaseLost as error:
        log.warning("%s", error)
    finally:
        heartbeat.release(claimed)


def _end(
    claimed: Claim, ending: Ending, progress: TaskProgress | None, lost: threading.Event
) -> None:
    with tenant_scope(claimed.tenant_id):
        task = Task.objects.select_related("mailbox").get(pk=claimed.task_id)
    if task.attempt != claimed.attempt or task.state != State.RUNNING:
        return
    if ending.trace is not None:
        known = isinstance(ending.trace, RepositoryError | DatabaseError)
        where = None if known else ending.trace
        log.error("task %s: %s %s", claimed.task_id, ending.reason, ending.trace, exc_info=where)
    speaker = progress or TaskProgress(claimed, task, lost)
    if progress is not None:
        progress.show()
    failures = (0 if speaker.stored else task.failures) + ending.failed
    if ending.retry_after is not None and services.stop_requested(claimed):
        ending = Ending.stopped()
    if ending.retry_after is not None and failures <= TRIES:
        if ending.retry_after:
            speaker.note(f"{ending.reason} It is tried again in {ending.retry_after:.0f} s.")
        services.postpone(
            claimed, seconds=ending.retry_after, reason=ending.reason, failures=failures
        )
        return
    if ending.state is State.FAILED:
        speaker.fail(ending.reason)
    elif ending.state is State.WARNING and ending.reason:
        speaker.warn(ending.reason)
    services.finish(claimed, ending.state, ending.reason, job_state=ending.job_state)


class _BackupSlice:
    def __init__(
        self, shared: Bench, claims: Sequence[Claim], heartbeat: Heartbeat, deadline: float
    ) -> None:
        self._shared = shared
        self._claims = list(claims)
        self._heartbeat = heartbeat
        self._deadline = deadline
        self._writer = shared.vault.writer(
            writing_locator(shared.tenant_id, shared.repository_id, shared.vault.has_pack)
        )
        self._group = CommitGroup(
            tenant_id=shared.tenant_id, repository_id=shared.repository_id, writer=self._writer
        )
        self._open: dict[MailboxRun, tuple[Claim, TaskProgress]] = {}
        self._requests = (0, 0.0)
        self._measured = 0

    def run(self) -> None:
        """Work through the claims. Raises RepositoryError when packs cannot be written."""
        for claimed in self._claims:
            if time.monotonic() >= self._deadline:
                end(claimed, Ending.more_later(), None, self._heartbeat)
                continue
            try:
                run = self._begin(claimed)
            except RepositoryError as error:
                end(claimed, ending_of(error), None, self._heartbeat)
                continue
            try:
                self._drive(run)
            except RepositoryError as error:
                self._close(run, ending_of(error))
                self._commit_others(error)
            except Exception as error:  # noqa: BLE001  (one mailbox's end is not another's)
                self._stop_early(run, error)
        self._commit()

    def _begin(self, claimed: Claim) -> MailboxRun:
        with tenant_scope(claimed.tenant_id):
            task = Task.objects.select_related("mailbox", "session__job").get(pk=claimed.task_id)
            save_mailbox_key(self._shared.vault, task.mailbox_id)
            exclusions = Exclusions(excluded_folders(task.session.job))
        progress = TaskProgress(claimed, task, self._heartbeat.lost[claimed.task_id])
        run = MailboxRun(
            mailbox=Mailbox(
                backup_id=task.backup_id,
                mailbox_id=task.mailbox_id,
                tenant_id=claimed.tenant_id,
                source_id=task.mailbox.source_id,
                address=task.mailbox.address,
                archive_id=task.mailbox.archive_id,
            ),
            run_id=claimed.session_id,
            source=self._shared.source,
            vault=self._shared.vault,
            writer=self._writer,
            progress=progress,
            exclusions=exclusions,
        )
        self._open[run] = (claimed, progress)
        self._group.add(run)
        return run

    def _drive(self, run: MailboxRun) -> None:
        for _ in run.steps():
            self._count_requests(run)
            if self._group.is_due():
                self._commit()
            if run not in self._open:
                return
            if time.monotonic() >= self._deadline and not run.finished:
                self._commit()
                self._close(run, Ending.more_later())
                return
        self._count_requests(run)

    def _stop_early(self, run: MailboxRun, error: Exception) -> None:
        """Keep what is stored so far as a partial commit, unless the mailbox is not ours."""
        if not isinstance(error, LeaseLost):
            try:
                self._commit()
            except WriterFailed:
                # Nothing of the slice can be stored any more, and ``error`` says why.
                raise error from None
        self._close(run, ending_of(error))

    def _commit_others(self, error: RepositoryError) -> None:
        """A mailbox's own commits may be damaged; then the others go on. When it was the shared
        writer that failed, nothing after it can be stored, and ``error`` says why."""
        try:
            self._commit()
        except RepositoryError:
            raise error from None

    def _commit(self) -> None:
        failed = self._group.commit()
        for run, error in failed.items():
            self._close(run, ending_of(error))
        for run in [run for run in self._open if run.finished]:
            progress = self._open[run][1]
            state = State.WARNING if progress.warnings else State.SUCCESS
            self._close(run, Ending(state))
        if self._writer.bytes_stored != self._measured:
            self._measured = self._writer.bytes_stored
            with tenant_scope(self._shared.tenant_id):
                measure_allocation(
                    allocation_id=self._shared.allocation_id,
                    repository_id=self._shared.repository_id,
                )

    def _close(self, run: MailboxRun, ending: Ending) -> None:
        if run not in self._open:
            return
        claimed, progress = self._open.pop(run)
        self._group.drop(run)
        end(claimed, ending, progress, self._heartbeat)

    def _count_requests(self, run: MailboxRun) -> None:
        """Requests and throttling since the last look are this mailbox's."""
        if run not in self._open:
            return
        requests, throttled = self._shared.source.requests, self._shared.source.throttled_seconds
        self._open[run][1].count(
            requests=requests - self._requests[0],
            throttled_seconds=throttled - self._requests[1],
        )
        self._requests = (requests, throttled)
