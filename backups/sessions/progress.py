"""A worker's hold on its tasks: the lease, the stop button, the counters, the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from django.db import DatabaseError, close_old_connections, connections

from backups.catalog.index import text
from backups.sessions import services
from backups.sessions.models import Kind, SessionLog, Task
from backups.sessions.services import Claim, LeaseLost, StopRequested
from tenants.isolation.scope import tenant_scope

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the stop button, and two writes of the live progress."""
MAX_WARNINGS = 1_000
"""Warnings that one slice writes about one mailbox; further ones are only counted."""


class TaskProgress:
    """``backups.engine.progress.Progress`` of one claimed task.

    A task that goes on counts on from what its earlier slices committed.
    """

    def __init__(self, claimed: Claim, task: Task, lost: threading.Event) -> None:
        self.claimed = claimed
        self.warnings = 0
        self.stored = False
        """Whether anything was stored since the task was claimed."""
        self._mailbox = task.mailbox.address
        self._lost = lost
        self._counters: dict[str, float] = {}
        self._handled = task.items_new + task.items_failed + task.items_skipped + task.items_merged
        known = self._handled or task.kind == Kind.RESTORE
        self._expected = task.items_expected if known else 0
        self._looked = 0.0

    def step(self) -> None:
        if self._lost.is_set():
            raise LeaseLost(f"task {self.claimed.task_id}: its lease ran out")
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        services.show_progress(self.claimed, expected=self._expected, handled=self._handled)
        if services.stop_requested(self.claimed):
            raise StopRequested

    def fence(self) -> None:
        services.fence(self.claimed)

    def expect(self, items: int) -> None:
        self._expected += items

    def handle(self, items: int) -> None:
        self._handled += items

    def count(self, **counters: float) -> None:
        for name, value in counters.items():
            self._counters[name] = self._counters.get(name, 0) + value

    def flush(self) -> None:
        self.stored = self.stored or bool(self._counters.get("items_new"))
        services.count(self.claimed, dict(self._counters))
        self._counters.clear()

    def show(self) -> None:
        services.show_progress(self.claimed, expected=self._expected, handled=self._handled)

    def warn(self, message: str, item_id: str = "") -> None:
        self.warnings += 1
        if self.warnings <= MAX_WARNINGS:
            self._write(SessionLog.Level.WARNING, message, item_id)

    def note(self, message: str) -> None:
        self._write(SessionLog.Level.INFO, message, "")

    def fail(self, message: str) -> None:
        self._write(SessionLog.Level.ERROR, message, "")

    def _write(self, level: SessionLog.Level, message: str, item_id: str) -> None:
        with tenant_scope(self.claimed.tenant_id):
            services.log(
                self.claimed.session_id,
                level,
                text(message),
                mailbox=self._mailbox,
                item_id=text(item_id),
            )


class Heartbeat:
    """Extends the leases of a slice from a thread of its own, while requests may take minutes.

    ``lost[task]`` is set when the database says that the task is not ours any more, or when it
    has not answered for as long as the lease lasts.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.lost = {claimed.task_id: threading.Event() for claimed in claims}
        self._claims = {claimed.task_id: claimed for claimed in claims}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def release(self, claimed: Claim) -> None:
        """The task is ended or put back; its lease is nobody's concern any more."""
        self._claims.pop(claimed.task_id, None)

    def _beat(self) -> None:
        lease = services.lease_seconds()
        answered = time.monotonic()
        while not self._stop.wait(lease / 4):
            try:
                for claimed in list(self._claims.values()):
                    if not services.extend_lease(claimed):
                        self.lost[claimed.task_id].set()
                answered = time.monotonic()
            except DatabaseError as error:
                log.warning("the lease could not be extended: %s", error)
                close_old_connections()
            if time.monotonic() - answered > lease:
                for event in self.lost.values():
                    event.set()
        connections.close_all()
