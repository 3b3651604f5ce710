"""Where objects live: the interface, and the folder that fills it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from . import durable
from .errors import (
    AlreadyExists,
    Damaged,
    NoSpace,
    NotFound,
    Refused,
    RepositoryError,
    Unavailable,
)
from .layout import MARKER, TENANTS

Content: TypeAlias = bytes | bytearray | memoryview

_KEY = re.compile(r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS)


class Backend(Protocol):
    """A flat space of immutable objects. All methods raise Unavailable when the storage fails."""

    def prepare(self) -> None:
        """Make the place ready for a new repository: a folder exists, a bucket answers.

        Raises RepositoryError when there are tenants' objects without a marker.
        """

    def put_immutable(self, key: str, data: Content) -> None:
        """Create the object, durably. Raises AlreadyExists (what is there is durable), NoSpace."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """The object, or exactly ``length`` bytes of it. Raises NotFound; Damaged when short."""

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that start with ``prefix``, each once, sorted within a folder.

        An error is never an end. What was created or deleted meanwhile may be there or not.
        """

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """As ``list``, each key with the object's bytes; what goes meanwhile may be left out."""

    def folders(self, prefix: str) -> Sequence[str]:
        """The next parts of the names below ``prefix`` that hold objects, without a slash; sorted.

        ``prefix`` ends with a slash. Asks for them alone, whatever lies below them.
        """

    def exists(self, key: str) -> bool: ...

    def size(self, key: str) -> int:
        """Bytes of the object. Raises NotFound."""

    def delete(self, key: str) -> None:
        """Raises Refused when access is denied or the object is locked.

        Raises NotFound; after an answer that was lost this means that it is done.
        """

    def free_bytes(self) -> int | None:
        """Bytes that can still be written, or None when the storage does not say."""


class FolderBackend:
    """A local or shared folder. The file system must know hard links.

    A folder without ``stowage.json`` is refused as Unavailable for everything but creating that
    file: an unmounted disk looks like an empty folder, and must not look like an empty repository.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._durable_folders: set[Path] = {self.path}

    def prepare(self) -> None:
        try:
            missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
            for folder in reversed(missing):
                durable.make_folder(folder)
            lost = (self.path / TENANTS).exists() and not (self.path / MARKER).exists()
        except OSError as error:
            raise _translated(error, self.path) from error
        if lost:
            raise RepositoryError(f"{self.path}: tenants' objects but no {MARKER}; bring it back")

    def put_immutable(self, key: str, data: Content) -> None:
        path = self._path(key)
        self._require_marker(key)
        try:
            self._make_folders(path.parent)
            durable.create(path, data)
        except FileExistsError as error:
            raise AlreadyExists(key) from error
        except OSError as error:
            raise _translated(error, path) from error

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        path = self._path(key)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            self._require_marker(key)
            raise NotFound(key) from error
        except OSError as error:
            raise _translated(error, path) from error
        try:
            size = os.fstat(descriptor).st_size
            wanted = size - offset if length is None else length
            if offset + wanted > size or wanted < 0:
                reason = f"{wanted} bytes at {offset} wanted, there are only {size}"
                raise Damaged(key, f"too short: {reason}")
            return _read(descriptor, offset, wanted, key)
        except OSError as error:
            raise _translated(error, path) from error
        finally:
            os.close(descriptor)

    def list(self, prefix: str) -> Iterator[str]:
        self._require_marker(prefix)
        folder, _, start = prefix.rpartition("/")
        return self._listed(folder, start)

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        for key in self.list(prefix):
            with contextlib.suppress(NotFound):
                yield key, self.size(key)

    def folders(self, prefix: str) -> Sequence[str]:
        self._require_marker(prefix)
        folder = self.path / prefix
        if not self._is_there(folder):
            return []
        try:
            entries = dict(_entries(folder))
            return sorted(name for name in entries if entries[name] and _holds(folder / name))
        except OSError as error:
            raise _translated(error, folder) from error

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def size(self, key: str) -> int:
        path = self._path(key)
        try:
            return path.stat().st_size
        except FileNotFoundError as error:
            self._require_marker(key)
            raise NotFound(key) from error
        except OSError as error:
            raise _translated(error, path) from error

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink()
            durable.sync_folder(path.parent)
        except FileNotFoundError as error:
            self._require_marker(key)
            raise NotFound(key) from error
        except OSError as error:
            raise _translated(error, path) from error

    def free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self.path).free
        except OSError as error:
            raise _translated(error, self.path) from error

    def remove_leftovers(self, older_than: float = 24 * 3600.0) -> int:
        """Remove temporary files of writers that died, ``older_than`` seconds old; how many."""
        before = time.time() - older_than
        removed = 0
        try:
            for leftover in self.path.rglob(f".*{durable.TEMPORARY}"):
                if leftover.stat().st_mtime < before:
                    leftover.unlink(missing_ok=True)
                    removed += 1
        except OSError as error:
            raise _translated(error, self.path) from error
        return removed

    def _listed(self, folder: str, start: str) -> Iterator[str]:
        if not self._is_there(self.path / folder):
            return
        # From here on a folder that is not there is one that a listing has just shown.
        yield from self._walk(self.path / folder, f"{folder}/" if folder else "", start)

    def _is_there(self, folder: Path) -> bool:
        try:
            folder.stat()
        except FileNotFoundError:
            self._require_marker(folder.name)
            return False
        except OSError as error:
            raise _translated(error, folder) from error
        return True

    def _walk(self, folder: Path, prefix: str, start: str) -> Iterator[str]:
        try:
            # By name: a network file system may tell of an entry twice while others come and go.
            entries = dict(_entries(folder))
        except OSError as error:
            raise _translated(error, folder) from error
        for name, is_folder in sorted(entries.items()):
            if not name.startswith(start):
                continue
            if is_folder:
                yield from self._walk(folder / name, f"{prefix}{name}/", "")
            else:
                yield prefix + name

    def _make_folders(self, folder: Path) -> None:
        if folder in self._durable_folders:
            return
        self._make_folders(folder.parent)
        durable.make_folder(folder)
        self._durable_folders.add(folder)

    def _path(self, key: str) -> Path:
        require_name(key)
        return self.path / key

    def _require_marker(self, key: str) -> None:
        if key == MARKER:
            return
        try:
            (self.path / MARKER).stat()
        except OSError as error:
            reason = "no stowage.json there; is the disk mounted?"
            raise Unavailable(f"{self.path}: {reason} ({error.strerror})") from error


def require_name(key: str) -> None:
    """Raises RepositoryError for what leads elsewhere, or could not be a name everywhere."""
    if not _KEY.match(key):
        raise RepositoryError(f"{key!r} can't be the name of an object")


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names in it and whether each is a folder, without writers' unfinished files."""
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.name.endswith(durable.TEMPORARY):
                yield entry.name, entry.is_dir(follow_symlinks=False)


def _holds(folder: Path) -> bool:
    """Whether there is any object below. Deleting objects leaves their folders."""
    return any(not is_folder or _holds(folder / name) for name, is_folder in _entries(folder))


def _read(descriptor: int, offset: int, wanted: int, key: str) -> bytes:
    data = os.pread(descriptor, wanted, offset)
    while len(data) < wanted:
        more = os.pread(descriptor, wanted - len(data), offset + len(data))
        if not more:
            raise Damaged(key, f"too short: ends at {offset + len(data)} while being read")
        data += more
    return data


def _translated(error: OSError, path: Path) -> Unavailable:
    kind: type[Unavailable] = Unavailable
    if error.errno in _FULL:
        kind = NoSpace
    elif error.errno in _REFUSALS:
        kind = Refused
    return kind(f"{path}: {error.strerror or error}")
