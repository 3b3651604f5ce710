"""Rebuilding several mailboxes at a time, each in one of several processes.

A mailbox is one transaction, so whatever is killed leaves mailboxes that are done and others that
are still noted; nothing is in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from uuid import UUID

import django

from backups.infrastructure.rebuilding import Outcome, rebuild_backup, wanted_backups
from backups.repository import RepositoryError


class ProcessDied(RepositoryError):
    """One of the processes was killed; what was not rebuilt yet is still noted."""


def rebuild_in_processes(tenants: Sequence[UUID], processes: int) -> Iterator[tuple[UUID, Outcome]]:
    """The noted mailboxes of these tenants, in the order in which they are done.

    Raises ProcessDied. The processes read the settings for themselves.
    """
    # Not forked: a connection to the database can't be shared.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=django.setup) as pool:
        waiting = {
            pool.submit(_rebuild, tenant_id, backup_id): tenant_id
            for tenant_id in tenants
            for backup_id in wanted_backups(tenant_id)
        }
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BrokenProcessPool as error:
            raise ProcessDied("a process died; go on with --resume") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _rebuild(tenant_id: UUID, backup_id: UUID) -> Outcome:
    outcome = rebuild_backup(tenant_id, backup_id)
    if outcome.error is None:
        return outcome
    # Not every error can be sent to another process as it is.
    return Outcome(outcome.address, error=RepositoryError(str(outcome.error)))
