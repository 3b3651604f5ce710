"""Real worker processes, and a gate that holds them at a request of the test's choice."""

from __future__ import annotations

import threading
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from backups.sessions.models import Session
from backups.tick import tick
from portal import processes
from portal.celery import CONTROL, INTERACTIVE
from portal.child import Running
from sandbox.http import Request, Response
from sandbox.testing import Sandbox
from tests.engine.world import World
from tests.portal.waiting import runs, until

LEASE_SECONDS = "4"


class Gate:
    """Counts export requests; the one that is chosen, and all after it, wait to be let through."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.requests = 0
        self.reached = threading.Event()
        self._closed_at = 0
        self._let_through = threading.Event()
        self._page = sandbox._server.page
        sandbox._server.page = self._answer

    def close_at(self, request: int) -> None:
        """Hold the export request of this number, counted from now."""
        self.requests = 0
        self.reached.clear()
        self._let_through.clear()
        self._closed_at = request

    def wait(self) -> None:
        assert self.reached.wait(timeout=60), f"only {self.requests} exports were asked for"

    def open(self) -> None:
        self._closed_at = 0
        self._let_through.set()

    def _answer(self, request: Request) -> Response:
        if request.path.endswith("/exportItems"):
            self.requests += 1
            if self._closed_at and self.requests >= self._closed_at:
                self.reached.set()
                self._let_through.wait(timeout=60)
        return self._page(request)


class Plant:
    """Worker processes on one data folder, and the scheduler's tick twice a second.

    What the workers write is kept for when a test fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._workers: list[Running] = []
        self._over = threading.Event()
        self._scheduler = threading.Thread(target=self._tick, name="scheduler")
        self._scheduler.start()

    def start(self, world: World, *, concurrency: int = 2) -> Running:
        """A worker as the portal starts it, for all queues of the world."""
        child = processes.worker(
            f"worker{len(self._workers)}",
            [world.queue, CONTROL, INTERACTIVE],
            concurrency=concurrency,
        )
        environment = {
            **child.environment,
            "PORTAL_DATA_DIR": str(self.folder),
            "PORTAL_ROOT_KEY_FILE": str(settings.ROOT_KEY_FILE),
            "PORTAL_SECRET_KEY": settings.SECRET_KEY,
            "PORTAL_LEASE_SECONDS": LEASE_SECONDS,
        }
        worker = Running(
            type(child)(child.name, child.command, environment, grace=child.grace),
            self.lines.append,
        )
        worker.start()
        self._workers.append(worker)
        return worker

    def kill(self, worker: Running) -> None:
        """kill -9 of the worker's main process and its pool."""
        pid = worker.pid
        worker.kill()
        assert pid is not None
        assert not runs(pid)

    def finish(self, world: World, session: Session) -> Session:
        """Wait until the session has ended."""

        def ended() -> bool:
            try:
                return not world.session(session.pk).is_open
            except DatabaseError:
                connections.close_all()
                return False

        try:
            until(ended, "the session to end", seconds=60)
        except AssertionError as error:
            said = "\n".join([*world.log(session), *self.lines[-60:]])
            raise AssertionError(f"{error}\n{said}") from None
        return world.session(session.pk)

    def close(self) -> None:
        self._over.set()
        self._scheduler.join()
        for worker in self._workers:
            worker.kill()

    def _tick(self) -> None:
        while not self._over.wait(0.5):
            close_old_connections()
            tick()
        connections.close_all()
