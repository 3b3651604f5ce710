"""Creating a file so that it survives power loss, whole or not at all.

A file that is renamed or linked before its content is on disk can come back empty after a crash;
a name whose folder was not synced can come back missing. So: content, then name, then folder,
each synced before the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from pathlib import Path

TEMPORARY = ".tmp"

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


def create(path: Path, content: bytes | bytearray | memoryview, *, mode: int = 0o600) -> None:
    """Create ``path`` with ``content``; it never replaces anything.

    Raises FileExistsError, in which case what is there is durable; other OSErrors as they come,
    in which case ``path`` is absent, or whole but perhaps not durable.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}")
    try:
        _write(temporary, content, mode)
        _link(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create one folder, whose parent exists, and make its name durable; fine if it is there."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(descriptor)
    except OSError as error:
        # Some network file systems have no such call for a folder; names are durable there.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes | bytearray | memoryview, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with memoryview(content) as view:
            written = 0
            while written < len(view):
                written += os.write(descriptor, view[written:])
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _link(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        # A network file system may have done it and lost the answer.
        if not path.samefile(temporary):
            sync_folder(path.parent)
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        reason = f"the file system can't make a hard link: {error.strerror}"
        raise OSError(error.errno, reason) from error


def _sync(descriptor: int) -> None:
    if _FULL_SYNC is not None:  # on macOS fsync stops at the drive's cache
        fcntl.fcntl(descriptor, _FULL_SYNC)
    else:
        os.fsync(descriptor)
