"""A disk that can fill up, stop, and forget what was not synced.

While it is installed, the calls of ``os`` that create things are counted and remembered. ``crash``
then leaves the folder as a power cut might: a file whose content was not synced is empty, a name
whose folder was not synced is gone. That is the worst a file system is allowed to do.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

ONE_WRITE = 50_000
"""A write takes no more bytes than this at once, as a real one may."""


class PowerCut(BaseException):
    """The process is gone: no handler of errors runs."""


class Disk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[str] = []
        self.fail_at: int | None = None
        self.failure: Callable[[], BaseException] = PowerCut
        self._paths: dict[int, Path] = {}
        self._durable: dict[Path, set[str]] = {}
        self._unsynced: set[int] = set()
        self._real = {name: getattr(os, name) for name in ("open", "write", "fsync", "close")}
        self._real |= {name: getattr(os, name) for name in ("link", "mkdir", "unlink")}

    @contextmanager
    def installed(self) -> Iterator[Disk]:
        self._durable[self.root.parent] = {entry.name for entry in self.root.parent.iterdir()}
        for folder in (self.root, *self.root.rglob("*")):
            if folder.is_dir():
                self._durable[folder] = {entry.name for entry in folder.iterdir()}
        doubles = {name: getattr(self, name) for name in self._real}
        with mock.patch.multiple(os, **doubles):
            yield self

    def open(self, path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_CREAT:
            self._count("create")
        descriptor: int = self._real["open"](path, flags, mode, **more)
        self._paths[descriptor] = Path(path)
        if flags & os.O_CREAT:
            self._unsynced.add(os.fstat(descriptor).st_ino)
        return descriptor

    def write(self, descriptor: int, content: memoryview) -> int:
        self._count("write")
        self._unsynced.add(os.fstat(descriptor).st_ino)
        written: int = self._real["write"](descriptor, content[:ONE_WRITE])
        return written

    def fsync(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        self._count("sync folder" if path.is_dir() else "sync file")
        if path.is_dir():
            self._durable[path] = {entry.name for entry in path.iterdir()}
        else:
            self._unsynced.discard(os.fstat(descriptor).st_ino)

    def close(self, descriptor: int) -> None:
        self._paths.pop(descriptor, None)
        self._real["close"](descriptor)

    def link(self, source: str | Path, target: str | Path, **more: bool) -> None:
        self._count("link")
        self._real["link"](source, target, **more)

    def mkdir(self, path: str | Path, mode: int = 0o777) -> None:
        self._count("mkdir")
        self._real["mkdir"](path, mode)
        self._durable[Path(path)] = set()

    def unlink(self, path: str | Path) -> None:
        self._count("unlink")
        self._real["unlink"](path)

    def crash(self) -> None:
        """To be called when it is no longer installed."""
        for folder, names in self._durable.items():
            for entry in list(folder.iterdir()) if folder.is_dir() else []:
                if entry.name not in names:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for file in self.root.rglob("*"):
            if file.is_file() and file.stat().st_ino in self._unsynced:
                file.write_bytes(b"")

    def _count(self, call: str) -> None:
        if self.fail_at is not None and len(self.calls) >= self.fail_at:
            # A full disk fails every call that takes space; whoever is dead makes no further call.
            failure = self.failure()
            if isinstance(failure, PowerCut) or call != "unlink":
                raise failure
        self.calls.append(call)


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
