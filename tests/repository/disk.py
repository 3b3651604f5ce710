"""A disk that can fill up, fail, stop, and forget what was not synced.

While it is installed, the calls of ``os`` that change things below a folder are counted and
remembered, and any one of them can be made to fail. ``left_behind`` then makes the folder that a
power cut might have left: what a synced file or folder held is there, of the rest a ``Fate`` says
what is. Files are the same file under several names, as hard links are; a removal that was not
synced can come undone.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from stat import S_ISDIR
from unittest import mock

ONE_WRITE = 50_000
"""A write takes no more bytes than this at once, as a real one may."""

FOLDER = -1
_ABSENT = -2
_READING = ("pread", "scandir", "stat")


class PowerCut(BaseException):
    """The process is gone: no handler of errors runs."""


@dataclass(frozen=True)
class Fate:
    """What becomes of what was not synced."""

    name: str
    keeps_name: Callable[[], bool]
    """Asked for each name that was made or removed, in the order of the calls."""
    content: Callable[[bytes], bytes]


def fates(seeds: int) -> list[Fate]:
    """The extremes that file systems are known for, and as many mixtures."""
    every = [
        Fate("nothing survives", lambda: False, lambda content: b""),
        Fate("names survive, content does not", lambda: True, lambda content: b""),
        Fate("names survive, content is zeros", lambda: True, lambda content: bytes(len(content))),
        Fate("content survives, names do not", lambda: False, lambda content: content),
        Fate("everything survives", lambda: True, lambda content: content),
    ]
    for seed in range(seeds):
        chance = random.Random(seed)
        every.append(
            Fate(
                f"mixture {seed}",
                lambda chance=chance: chance.random() < 0.5,
                lambda content, chance=chance: content[: chance.randint(0, len(content))],
            )
        )
    return every


class Disk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[str] = []
        """The calls that changed something, or would have."""
        self.reads = 0
        self.fail_at: int | None = None
        """The number of the call that fails, from 0."""
        self.lasting = True
        """All calls after it fail too."""
        self.fail_read_at: int | None = None
        self.failure: Callable[[], BaseException] = PowerCut
        self._paths: dict[int, Path] = {}
        self._durable: dict[Path, dict[str, int]] = {}
        self._pending: dict[Path, list[tuple[str, int]]] = {}
        self._files: dict[int, int] = {}
        self._numbers = count()
        self._unsynced: set[int] = set()
        self._removed: dict[int, bytes] = {}
        changing = ("open", "write", "fsync", "close", "link", "mkdir", "unlink")
        self._real = {name: getattr(os, name) for name in (*changing, *_READING)}

    @contextmanager
    def installed(self) -> Iterator[Disk]:
        for folder in (self.root.parent, self.root, *self.root.rglob("*")):
            if folder.is_dir():
                self._durable[folder] = self._seen(folder)
        self._durable[self.root.parent] = {
            name: number
            for name, number in self._durable[self.root.parent].items()
            if name == self.root.name
        }
        doubles = {name: getattr(self, name) for name in self._real}
        with mock.patch.multiple(os, **doubles):
            yield self

    def open(self, path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        if not flags & os.O_CREAT:
            self._count_read(path)
            descriptor: int = self._real["open"](path, flags, mode, **more)
            self._paths[descriptor] = Path(path)
            return descriptor
        self._count("create")
        descriptor = self._real["open"](path, flags, mode, **more)
        self._paths[descriptor] = Path(path)
        number = self._files[os.fstat(descriptor).st_ino] = next(self._numbers)
        self._unsynced.add(number)
        self._change(Path(path), number)
        return descriptor

    def write(self, descriptor: int, content: memoryview) -> int:
        if descriptor not in self._paths:
            return int(self._real["write"](descriptor, content))
        self._count("write")
        self._unsynced.add(self._files[os.fstat(descriptor).st_ino])
        return int(self._real["write"](descriptor, content[:ONE_WRITE]))

    def fsync(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        if S_ISDIR(os.fstat(descriptor).st_mode):
            self._count("sync folder")
            self._durable[path] = self._after(path, lambda: True)
            self._pending.pop(path, None)
        else:
            self._count("sync file")
            self._unsynced.discard(self._files[os.fstat(descriptor).st_ino])

    def close(self, descriptor: int) -> None:
        self._paths.pop(descriptor, None)
        self._real["close"](descriptor)

    def link(self, source: str | Path, target: str | Path, **more: bool) -> None:
        self._count("link")
        self._real["link"](source, target, **more)
        self._change(Path(target), self._file(Path(target)))

    def mkdir(self, path: str | Path, mode: int = 0o777) -> None:
        self._count("mkdir")
        self._real["mkdir"](path, mode)
        self._change(Path(path), FOLDER)
        self._durable[Path(path)] = {}

    def unlink(self, path: str | Path) -> None:
        self._count("unlink")
        number = self._file(Path(path))
        content = Path(path).read_bytes()
        self._real["unlink"](path)
        self._removed[number] = content
        self._change(Path(path), _ABSENT)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self._count_read(self._paths.get(descriptor, "/"))
        content: bytes = self._real["pread"](descriptor, length, offset)
        return content

    def scandir(self, path: str | Path) -> Iterator[os.DirEntry[str]]:
        self._count_read(path)
        found: Iterator[os.DirEntry[str]] = self._real["scandir"](path)
        return found

    def stat(self, path: str | Path | int, **more: bool) -> os.stat_result:
        if not isinstance(path, int):
            self._count_read(path)
        found: os.stat_result = self._real["stat"](path, **more)
        return found

    def left_behind(self, fate: Fate, to: Path) -> None:
        """Make ``to`` what a power cut leaves of ``root``; when it is no longer installed.

        ``to`` is absent when ``root`` itself is lost.
        """
        contents = dict(self._removed)
        for folder in self._durable:
            if folder == self.root.parent:
                continue
            names = self._seen(folder)
            assert names == self._after(folder, lambda: True), "a call went past this disk"
            for name, number in names.items():
                if number != FOLDER:
                    contents[number] = (folder / name).read_bytes()
        for number in self._unsynced:
            contents[number] = fate.content(contents[number])
        if self.root.name in self._after(self.root.parent, fate.keeps_name):
            self._restore(self.root, to, fate, contents)

    def _restore(self, folder: Path, to: Path, fate: Fate, contents: dict[int, bytes]) -> None:
        to.mkdir()
        for name, number in self._after(folder, fate.keeps_name).items():
            if number == FOLDER:
                self._restore(folder / name, to / name, fate, contents)
            else:
                (to / name).write_bytes(contents[number])

    def _after(self, folder: Path, keeps: Callable[[], bool]) -> dict[str, int]:
        names = dict(self._durable[folder])
        names |= {name: number for name, number in self._pending.get(folder, []) if keeps()}
        return {name: number for name, number in names.items() if number != _ABSENT}

    def _change(self, path: Path, number: int) -> None:
        self._pending.setdefault(path.parent, []).append((path.name, number))

    def _seen(self, folder: Path) -> dict[str, int]:
        return {p.name: FOLDER if p.is_dir() else self._file(p) for p in folder.iterdir()}

    def _file(self, path: Path) -> int:
        inode = self._real["stat"](path).st_ino
        if inode not in self._files:
            self._files[inode] = next(self._numbers)
        return self._files[inode]

    def _count(self, call: str) -> None:
        number = len(self.calls)
        if self.fail_at is not None and (
            number == self.fail_at or (self.lasting and number > self.fail_at)
        ):
            # A full disk fails every call that takes space; whoever is dead makes no further call.
            failure = self.failure()
            if isinstance(failure, PowerCut) or call != "unlink":
                self.calls += [] if self.lasting else [f"{call} failed"]
                raise failure
        self.calls.append(call)

    def _count_read(self, path: str | Path) -> None:
        if self.root not in (Path(path), *Path(path).parents):
            return
        if self.reads == self.fail_read_at:
            self.reads += 1
            raise self.failure()
        self.reads += 1


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))
