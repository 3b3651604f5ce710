"""One process under the supervisor: how it is started, and one run of it after the other."""

import collections
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from portal import tether

OBITUARY_LINES = 15
SETTLED_SECONDS = 0.5


@dataclass(frozen=True)
class Child:
    """What to run.

    `stage` orders the stop: lower ones are stopped first, equal ones together. Without a `ready`
    check a child counts as ready when it has lived for half a second.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    grace: float = 8.0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    ready: Callable[[], bool] | None = None


class Running:
    """A child's current process and what became of those before it.

    Each runs in a session of its own: a Ctrl-C in the terminal reaches the supervisor only, and
    whatever the child started can be killed with it.
    """

    def __init__(self, child: Child, output: Callable[[str], None]) -> None:
        self.child = child
        self.process: subprocess.Popen[str] | None = None
        self.status: int | None = None
        self.deaths = 0
        self.not_before = 0.0
        self._output = output
        self._started = 0.0
        self._was_ready = False
        self._tail: collections.deque[str] = collections.deque(maxlen=OBITUARY_LINES)
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        self.process = subprocess.Popen(
            tether.command(self.child.command, death_signal=self.child.death_signal),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.child.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._started = time.monotonic()
        self._was_ready = False
        self._reader = threading.Thread(target=self._read, args=[self.process], daemon=True)
        self._reader.start()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Whether the current process does its work; asked until it has once said yes."""
        if not self._was_ready and self.alive():
            check = self.child.ready
            self._was_ready = check() if check else self.age() > SETTLED_SECONDS
        return self._was_ready

    def age(self) -> float:
        return time.monotonic() - self._started

    def interrupt(self) -> None:
        """Ask the process to stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.child.stop_signal)

    def kill(self) -> None:
        """End the process and everything that is left of its session; wait for its last line."""
        process = self.process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self.status = process.wait()
        if self._reader is not None:
            self._reader.join(timeout=2)

    def bury(self, wait: float) -> None:
        """Note that the process died; the next may start after `wait` seconds."""
        self.kill()
        self.process = None
        self.deaths += 1
        self.not_before = time.monotonic() + wait

    def end(self) -> str:
        """How the last process ended, in words."""
        if self.status is None:
            return "runs"
        if self.status < 0:
            return f"was killed ({signal.Signals(-self.status).name})"
        return f"ended with status {self.status}"

    def obituary(self) -> str:
        tail = "\n".join(f"    {line}" for line in self._tail)
        return f"{self.child.name} {self.end()}." + (f" Its last lines:\n{tail}" if tail else "")

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            if text := line.rstrip():
                self._tail.append(text)
                self._output(f"{self.child.name:<12}| {text}")
