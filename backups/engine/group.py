"""Group commit: several mailboxes of one tenant and repository fill common packs."""

from __future__ import annotations

import time
from uuid import UUID

from backups.catalog.projection import record_packs
from backups.engine.backup import MailboxRun
from backups.repository import StoredPack, Writer
from tenants.isolation.scope import tenant_scope

MAX_BYTES = 64 * 1024 * 1024
MAX_ITEMS = 2_000
MAX_SECONDS = 60.0


class CommitGroup:
    """The runs of one slice. They share a writer, and commit after its packs are durable."""

    def __init__(self, *, tenant_id: UUID, repository_id: UUID, writer: Writer) -> None:
        self._tenant_id = tenant_id
        self._repository_id = repository_id
        self._writer = writer
        self._runs: list[MailboxRun] = []
        self._since = time.monotonic()
        self._packs: list[StoredPack] = []
        self._stored = 0

    def add(self, run: MailboxRun) -> None:
        self._runs.append(run)

    def drop(self, run: MailboxRun) -> None:
        """The run may write nothing more; what it left pending is found again by the next one."""
        if run in self._runs:
            self._runs.remove(run)

    def is_due(self) -> bool:
        items = sum(run.changes.count for run in self._runs)
        return (
            items >= MAX_ITEMS
            or sum(run.changes.bytes for run in self._runs) >= MAX_BYTES
            or (items > 0 and time.monotonic() - self._since >= MAX_SECONDS)
        )

    def commit(self) -> dict[MailboxRun, Exception]:
        """Make the packs durable, then commit each run. Returns the runs that could not.

        Raises RepositoryError when the packs cannot be written, DatabaseError when they cannot
        be noted: then nothing was committed. Finished runs leave the group.
        """
        self._writer.flush()
        self._since = time.monotonic()
        # Kept until they are noted: a commit may only refer to blobs that the index finds.
        self._packs += self._writer.taken()
        with tenant_scope(self._tenant_id):
            if self._packs and self._runs:
                self._require_a_lease()
                record_packs(self._repository_id, self._packs)
                noted = len(self._packs)
            else:
                noted = 0
        del self._packs[:noted]
        self._share_out()
        failed: dict[MailboxRun, Exception] = {}
        for run in list(self._runs):
            try:
                run.commit()
            except Exception as error:  # noqa: BLE001  (each run's end is its own; the caller sorts it)
                failed[run] = error
            if run in failed or run.finished:
                self._runs.remove(run)
        return failed

    def _require_a_lease(self) -> None:
        """Packs of a worker that was given up may have been collected since: they are not noted.

        Raises LeaseLost when no run of the group holds its mailbox any more.
        """
        lost: Exception | None = None
        for run in self._runs:
            try:
                run.progress.fence()
            except Exception as error:  # noqa: BLE001  (the kind is the progress's own; raised below)
                lost = error
            else:
                return
        if lost is not None:
            raise lost

    def _share_out(self) -> None:
        """Count the new packs' bytes to the runs by what each put in: packs are common."""
        left, self._stored = self._writer.bytes_stored - self._stored, self._writer.bytes_stored
        weight = sum(run.changes.bytes for run in self._runs)
        for run in self._runs:
            if weight:
                part = left * run.changes.bytes // weight
                run.progress.count(bytes_stored=part)
                left, weight = left - part, weight - run.changes.bytes
