"""Many items as one ZIP file, written while it is read: no copy of it or of an item exists here."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from backups.streams.errors import StreamError
from backups.streams.export.files import ExportedFile
from backups.streams.export.names import Paths

PROBLEMS: Final = "problems"

_EARLIEST: Final = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)
_UNIX_TIME: Final = struct.Struct("<HHBi")
_UNIX_TIME_ID: Final = 0x5455
_MAX_UNIX: Final = 0x7FFFFFFF
_LARGE: Final = 512 * 1024 * 1024
_HELD: Final = 65_536


class Unavailable(Exception):
    """An item that can't be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of an archive.

    ``folder`` and ``name`` are as people wrote them. ``open`` is called when its turn comes, and
    may raise Unavailable or StreamError: the item is then a line of the problems. ``size`` is
    about how large it is, in bytes.
    """

    folder: tuple[str, ...]
    name: str
    open: Callable[[], ExportedFile]
    modified: datetime | None = None
    size: int = 0


def write_zip(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A ZIP file of all entries, each under a path of its own in the tree of folders.

    What can't be had or written is named with its reason in ``problems.txt``, the last file;
    where there is no problem, there is no such file.
    """
    sink, paths, problems = _Sink(), Paths(), list[str]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            try:
                file = entry.open()
            except (Unavailable, StreamError) as error:
                problems.append(f"{_shown(entry)}: {error}")
                continue
            path = paths.file(entry.folder, entry.name, file.suffix)
            large = entry.size > _LARGE
            info = _info(path, entry.modified)
            if large:
                # The first releases of Python 3.11 say here that any reader will do.
                info.extract_version = zipfile.ZIP64_VERSION
            with archive.open(info, "w", force_zip64=large) as target:
                try:
                    for piece in file.pieces:
                        target.write(piece)
                        if sink.size >= _HELD:
                            yield sink.take()
                except (Unavailable, StreamError) as error:
                    problems.append(f"{_shown(entry)}: the file is not whole: {error}")
            yield sink.take()
        if problems:
            info = _info(paths.file((), PROBLEMS, ".txt"), datetime.now(UTC))
            archive.writestr(info, "\r\n".join([*problems, ""]).encode())
    yield sink.take()


def _shown(entry: Entry) -> str:
    name = " ".join(entry.name.split()) or "(no subject)"
    return "/".join((*entry.folder, name))


def _info(path: str, modified: datetime | None) -> zipfile.ZipInfo:
    """With the time twice: to two seconds without a zone, and as seconds since 1970 (UTC)."""
    when = min(max(modified or _EARLIEST, _EARLIEST), _LATEST).astimezone(UTC)
    info = zipfile.ZipInfo(path, when.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    # Files are to be read by whoever unpacks them, and by nobody else.
    info.external_attr = 0o600 << 16
    seconds = int(when.timestamp())
    if modified is not None and seconds <= _MAX_UNIX:
        info.extra = _UNIX_TIME.pack(_UNIX_TIME_ID, 5, 1, seconds)
    return info


class _Sink:
    """A file that can only be written to: what is written is taken from it, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken
