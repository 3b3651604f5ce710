"""What a proxy's worker does when it hears that a collection waits."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict

from backups.repository import RepositoryError
from backups.retention import runs
from backups.retention.collection import Watch, collect
from backups.retention.models import CollectionRun, CollectionState, Phase
from backups.retention.outcome import Collected, CollectionAborted, TooMuch, TryAgainSoon
from backups.sessions.reaping import own_name
from backups.sessions.services import LeaseLost
from tenants.isolation.scope import tenant_scope

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
SOON = 60.0


class Asked(Exception):
    """An operator asked the run to pause or to stop."""


def run_queue(queue: str) -> bool:
    """Claim a run and end it. True when another should be rung for.

    A run that does not come to its end is begun anew by the next one who claims it.
    """
    claimed = runs.claim(queue=queue, owner=own_name())
    if claimed is None:
        return False
    try:
        _run(claimed)
    except LeaseLost as error:
        log.warning("%s", error)
    return queue in runs.queues_with_work()


def _run(claimed: runs.Claim) -> None:
    with tenant_scope(claimed.tenant_id):
        row = runs.held(claimed)
    watch = _RowWatch(claimed, row)
    if row.failures >= runs.TRIES:
        reason = f"Given up: {row.failures} tries ended without a result. {row.reason}".strip()
        runs.finish(claimed, CollectionState.FAILED, reason)
        return
    try:
        done = collect(
            claimed.repository_id,
            claimed.tenant_id,
            watch=watch,
            may_take_most=row.may_take_most,
        )
        if done is None:
            raise TryAgainSoon("another collection, or a rebuild of the catalog, is at it")
        watch.note(done)
        runs.finish(claimed, CollectionState.DONE)
    except Asked:
        if watch.asked == CollectionRun.Asked.PAUSE:
            runs.put_back(claimed, CollectionState.PAUSED)
        else:
            runs.finish(claimed, CollectionState.STOPPED)
    except TryAgainSoon as error:
        runs.put_back(claimed, CollectionState.QUEUED, seconds=SOON, reason=str(error))
    except (CollectionAborted, RepositoryError) as error:
        log.warning("collection %s: %s", claimed.id, error)
        is_too_much = isinstance(error, TooMuch)
        runs.finish(claimed, CollectionState.FAILED, str(error), is_too_much=is_too_much)
    except LeaseLost:
        raise
    except Exception:
        log.exception("collection %s", claimed.id)
        reason = "The service met an error of its own; its log says more."
        runs.finish(claimed, CollectionState.FAILED, reason)


class _RowWatch(Watch):
    """Writes what was done onto the run's row, and obeys what is asked there."""

    def __init__(self, claimed: runs.Claim, row: CollectionRun) -> None:
        self._claimed = claimed
        self._before = (row.deleted, row.deleted_bytes)
        self._looked = float("-inf")
        self._phase = ""
        self.asked = ""

    def look(self, done: Collected, phase: Phase, number: int, total: int) -> None:
        """Raises Asked and LeaseLost."""
        now = time.monotonic()
        if phase == self._phase and now - self._looked < LOOK_EVERY:
            return
        self._looked, self._phase = now, phase
        self.note(done, phase, number, total)
        if self.asked:
            raise Asked

    def hold(self) -> None:
        runs.held(self._claimed)

    def note(
        self, done: Collected, phase: Phase | None = None, number: int = 0, total: int = 0
    ) -> None:
        with tenant_scope(self._claimed.tenant_id):
            row = runs.held(self._claimed)
            for name, value in asdict(done).items():
                if name != "remarks":
                    setattr(row, name, value)
            # What went before the run was paused counts as well.
            row.deleted += self._before[0]
            row.deleted_bytes += self._before[1]
            row.remarks = "\n".join(done.remarks)
            row.phase, row.phase_done, row.phase_total = phase or "", number, total
            self.asked = row.asked
            runs.extend(row)
