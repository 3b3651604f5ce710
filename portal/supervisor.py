"""Runs the portal's processes as one tree: started in order, watched, stopped in order.

One thread, the keeper, starts every process and restarts what dies. It has to be a single one that
lives as long as the supervisor: on Linux each process is tethered to the thread that started it, so
that even a kill -9 of the supervisor leaves nothing behind (portal/tether.py).
"""

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from portal.child import Child, Running
from portal.database import DatabaseError, LocalDatabase

STEP = 0.05
READY_SECONDS = 60.0
TRIES = 3
CALM_SECONDS = 60.0
LONGEST_WAIT = 30.0


class SupervisorError(Exception):
    """The portal can't run; the message says which process failed and how."""


class Supervisor:
    """Owns a data folder while it is entered: `with Supervisor(data_dir) as supervisor`.

    Entering takes the folder's lock (SupervisorError when another one holds it) and turns SIGTERM
    and SIGHUP into KeyboardInterrupt in the main thread; leaving stops every process.
    """

    def __init__(
        self, data_dir: Path, *, output: Callable[[str], None] | None = None, database: bool = True
    ) -> None:
        self.data_dir = data_dir
        self.database = LocalDatabase(data_dir) if database else None
        self._output = output or _print
        self._children: list[Running] = []
        self._changes = threading.Lock()
        self._stopping = threading.Event()
        self._database_wanted = threading.Event()
        self._database_state: str | None = None
        self._database_ready = threading.Event()
        self._keeper: threading.Thread | None = None
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> "Supervisor":
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._resources.enter_context(self._locked())
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:  # nohup
                    signal.signal(number, _interrupt)
                    self._resources.callback(signal.signal, number, before)
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._resources.close()

    def say(self, line: str) -> None:
        self._output(f"{'portal':<12}| {line}")

    def start_database(self) -> None:
        """Start the local database, unless there is another, and keep it running."""
        if self.database is None:
            return
        self._database_wanted.set()
        while not self._database_ready.wait(1.0):
            self._check_keeper()
        if self._database_state:
            raise SupervisorError(self._database_state)

    def run(self, child: Child) -> None:
        """Run a child that ends by itself; SupervisorError with its last lines when it fails."""
        running = Running(child, self._output)
        running.start()
        try:
            while running.alive():
                time.sleep(STEP)
        finally:
            running.kill()
        if running.status != 0:
            raise SupervisorError(running.obituary())

    def start(self, children: Sequence[Child]) -> None:
        """Start children and keep them running; return when each is ready.

        May be called again for more. A child that dies three times before it is ready, or takes
        longer than a minute, raises SupervisorError with its last lines.
        """
        added = [Running(child, self._output) for child in children]
        with self._changes:
            self._children += added
        for running in added:
            self._await(running)

    def run_forever(self) -> None:
        """Return on Ctrl-C, SIGTERM or SIGHUP."""
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self._check_keeper()
                time.sleep(1.0)

    def stop(self) -> None:
        """Stop all children, stage by stage, and the database last. Safe to call twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()

    def _await(self, running: Running) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not running.ready():
            self._check_keeper()
            if running.deaths >= TRIES:
                raise SupervisorError(running.obituary())
            if time.monotonic() > deadline:
                raise SupervisorError(f"{running.child.name} is not ready after a minute.")
            time.sleep(STEP)

    def _check_keeper(self) -> None:
        if self._keeper is None or not self._keeper.is_alive():
            raise SupervisorError("the supervisor itself failed; its error is above.")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.data_dir / "supervisor.lock").open("a+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                stream.seek(0)
                raise SupervisorError(
                    f"the portal of {self.data_dir} is running already "
                    f"(process {stream.read().strip() or 'unknown'}): stop it first, or set "
                    "PORTAL_DATA_DIR to another folder."
                ) from error
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
            yield

    # The keeper's thread from here on.

    def _keep(self) -> None:
        try:
            while not self._stopping.wait(STEP):
                if self._database_wanted.is_set():
                    self._keep_database()
                with self._changes:
                    children = list(self._children)
                for running in children:
                    self._keep_child(running)
        finally:
            self._stop_all()

    def _keep_database(self) -> None:
        database = self.database
        if database is None or (self._database_ready.is_set() and database.alive()):
            return
        restart = self._database_ready.is_set()
        if restart:
            self.say("the database died; starting it again")
        try:
            began = time.monotonic()
            database.start()
        except DatabaseError as error:
            self._database_state = str(error)
            if restart:
                self.say(f"{error}; trying again")
                self._stopping.wait(2.0)
        else:
            self._database_state = None
            pid = database.status().pid
            self.say(f"database ready in {time.monotonic() - began:.1f} s (process {pid})")
        self._database_ready.set()

    def _keep_child(self, running: Running) -> None:
        if running.alive():
            if running.deaths and running.age() > CALM_SECONDS:
                running.deaths = 0
            return
        if running.process is not None:
            wait = min(0.5 * 2**running.deaths, LONGEST_WAIT)
            running.bury(wait)
            self.say(f"{running.child.name} {running.end()}; starting it again in {wait:g} s")
        elif time.monotonic() >= running.not_before:
            running.start()
            self.say(f"{running.child.name} started (process {running.pid})")

    def _stop_all(self) -> None:
        with self._changes:
            children = list(self._children)
        for stage in sorted({running.child.stage for running in children}):
            mates = [running for running in children if running.child.stage == stage]
            for running in mates:
                running.interrupt()
            deadline = time.monotonic() + max(running.child.grace for running in mates)
            while any(running.alive() for running in mates) and time.monotonic() < deadline:
                time.sleep(STEP)
            for running in mates:
                if running.alive():
                    self.say(f"{running.child.name} did not stop in time and was killed")
                running.kill()
        self._stop_database()
        if children or self._database_wanted.is_set():
            self.say("stopped")

    def _stop_database(self) -> None:
        if self.database is None or not self._database_wanted.is_set():
            return
        if self.database.detached():
            self.say("the database was started by hand and keeps running")
            return
        try:
            self.database.stop()
        except DatabaseError as error:
            self.say(str(error))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
