"""Messages as files, for any number of processes on one host.

    queues/<queue>/<nanoseconds>-<random>      a message; written elsewhere, renamed into place
    inflight/<owner>/<queue>/<same name>       taken by a consumer, until it acknowledges
    inflight/<owner>.lock                      locked as long as that consumer's processes live
    control/<exchange>.exchange                bindings of the remote-control exchanges
    damaged/<name>                             a message that could not be read

A message is in exactly one place, whole, at any moment. What a dead consumer held goes back to its
queue when another consumer starts, and every half minute. Nothing is synced to disk: a ring that a
power cut loses is rung again by the tick.
"""

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from pathlib import Path
from urllib.parse import quote

from kombu.exceptions import ChannelError

RECOVER_SECONDS = 30.0
AGAIN = ".again"


class Folder:
    """The message files of one process. Safe for any number of processes on one host."""

    def __init__(self, folder: Path) -> None:
        self.queues = folder / "queues"
        self.inflight = folder / "inflight"
        self.damaged = folder / "damaged"
        self.control = folder / "control"
        for part in (self.queues, self.inflight, self.damaged, self.control):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._owner: str | None = None
        self._lock: int | None = None
        self._recovered = 0.0

    def put(self, queue: str, message: bytes) -> None:
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        new = self.queues / f".{name}"
        try:
            new.write_bytes(message)
            _move(new, self._queue(queue) / name)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise ChannelError(f"a message for {queue} could not be written: {error}") from error

    def take(self, queue: str) -> Path | None:
        """Claim the oldest message; None when there is none. The file is ours until `done`."""
        if time.monotonic() - self._recovered > RECOVER_SECONDS or not self._recovered:
            self.recover()
        names = self._names(queue)
        held = self._held(queue) if names else self.inflight
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # another consumer was faster
                (self._queue(queue) / name).rename(held / name)
                return held / name
        return None

    def give_back(self, held: Path) -> None:
        """Put a claimed message where it was, marked as delivered before."""
        name = held.name if held.name.endswith(AGAIN) else held.name + AGAIN
        with contextlib.suppress(FileNotFoundError):
            _move(held, self.queues / held.parent.name / name)

    def set_aside(self, held: Path) -> Path:
        """Keep a claimed message that can't be read where nobody takes it again."""
        target = self.damaged / held.name
        held.rename(target)
        return target

    def recover(self) -> int:
        """Give back what dead consumers held; the number of messages."""
        self._recovered = time.monotonic()
        count = 0
        for lock in self.inflight.glob("*.lock"):
            if lock.stem == self._owner:
                continue
            with contextlib.suppress(FileNotFoundError, BlockingIOError), lock.open("a") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                owned = self.inflight / lock.stem
                for held in sorted(owned.glob("*/*")):
                    self.give_back(held)
                    count += 1
                shutil.rmtree(owned, ignore_errors=True)
                lock.unlink()
        return count

    def clear_control(self) -> None:
        """Forget remote-control bindings and replies. Only while nothing else uses the folder."""
        shutil.rmtree(self.control)
        self.control.mkdir(mode=0o700)
        for queue in self.queues.iterdir():
            if queue.name.endswith(".pidbox") or queue.name.startswith("q-celeryev."):
                shutil.rmtree(queue, ignore_errors=True)
            elif queue.name.startswith("."):
                queue.unlink(missing_ok=True)

    def size(self, queue: str) -> int:
        return len(self._names(queue))

    def purge(self, queue: str) -> int:
        count = 0
        for name in self._names(queue):
            with contextlib.suppress(FileNotFoundError):
                (self._queue(queue) / name).unlink()
                count += 1
        return count

    def drop(self, queue: str) -> None:
        shutil.rmtree(self._queue(queue), ignore_errors=True)

    def _queue(self, queue: str) -> Path:
        # The fixed start keeps "..", and any name with a dot in front, from meaning anything.
        return self.queues / f"q-{quote(queue, safe='@')}"

    def _names(self, queue: str) -> list[str]:
        try:
            return sorted(entry.name for entry in self._queue(queue).iterdir())
        except FileNotFoundError:
            return []

    def _held(self, queue: str) -> Path:
        if self._owner is None:
            # The lock belongs to the open file, which forked children share: it is free only when
            # the last process that may still work on one of these messages is gone.
            owner = f"{os.getpid()}-{uuid.uuid4().hex}"
            new = self.inflight / f".{owner}"
            self._lock = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            # Seen by others only when it is locked, or they would take us for dead.
            new.rename(self.inflight / f"{owner}.lock")
            self._owner = owner
        held = self.inflight / self._owner / self._queue(queue).name
        held.mkdir(mode=0o700, parents=True, exist_ok=True)
        return held


def _move(file: Path, target: Path) -> None:
    try:
        file.rename(target)
    except FileNotFoundError:  # the first message of this queue, or the queue was just deleted
        target.parent.mkdir(mode=0o700, exist_ok=True)
        file.rename(target)
