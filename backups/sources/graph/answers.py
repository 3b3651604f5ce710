"""Reading answers: entities of listings, and exports as they arrive.

An export answer is JSON with the streams in it as base64, up to hundreds of megabytes of text.
``ExportReader`` never holds that text: each ``data`` string is decoded while it arrives, and the
JSON parser gets to see its number instead.
"""

from __future__ import annotations

import binascii
import enum
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import IO, cast

import httpx
import pybase64

from backups.sources.errors import Damaged, Retry, SourceError, Unavailable
from backups.sources.graph.problems import BrokenAnswer, item_error
from backups.sources.interface import ExportedItem, ItemChange, Payload, SourceFolder

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a stream that is kept in memory; a larger one goes to the folder for temporary files."""

_DATA_KEY = re.compile(rb'"data"\s*:\s*\Z')
_STRING_STOP = re.compile(rb'["\\]')
_LONGEST_SKELETON = 16 * 1024 * 1024
_BEYOND_END = "the stream goes on after the end of its base64"


def text(entity: Mapping[str, object], name: str) -> str:
    """A property that is text, "" when it is missing or null."""
    value = entity.get(name)
    return value if isinstance(value, str) else ""


def number(entity: Mapping[str, object], name: str) -> int:
    value = entity.get(name)
    return value if isinstance(value, int) else 0


def identity(entity: Mapping[str, object], what: str) -> str:
    """The id, without which an answer is worth nothing: Unavailable."""
    value = text(entity, "id")
    if not value:
        raise Unavailable(f"{what}: the server lists something without an id")
    return value


def moment(value: str) -> datetime | None:
    """A time of Graph in UTC; None for what is none."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def folder_of(entity: Mapping[str, object], what: str) -> SourceFolder:
    return SourceFolder(
        identity(entity, what),
        text(entity, "parentFolderId") or None,
        text(entity, "displayName"),
        text(entity, "type"),
        text(entity, "wellKnownName") or None,
        number(entity, "totalItemCount"),
    )


def change_of(entity: Mapping[str, object], what: str) -> ItemChange:
    if "@removed" in entity:
        return ItemChange(identity(entity, what), removed=True)
    return ItemChange(
        identity(entity, what),
        text(entity, "changeKey"),
        text(entity, "type"),
        number(entity, "size"),
        moment(text(entity, "lastModifiedDateTime")),
    )


def read_export(response: httpx.Response) -> list[ExportedItem]:
    """The items of an export answer. Raises BrokenAnswer when it is not whole."""
    reader = ExportReader()
    for chunk in response.iter_bytes():
        reader.feed(chunk)
    return reader.finish()


class _Place(enum.Enum):
    STRUCTURE = enum.auto()
    STRING = enum.auto()
    DATA = enum.auto()


class ExportReader:
    """Takes an export answer in chunks; ``finish`` gives its items."""

    def __init__(self) -> None:
        self._skeleton = bytearray()
        self._streams: list[_Stream] = []
        self._place = _Place.STRUCTURE
        self._escaped = False

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the answer, however they were cut."""
        position = 0
        while position < len(chunk):
            if self._escaped:
                self._escaped = False
                self._take(chunk[position : position + 1], escaped=True)
                position += 1
            elif self._place is _Place.STRUCTURE:
                position = self._read_structure(chunk, position)
            else:
                position = self._read_string(chunk, position)
        if len(self._skeleton) > _LONGEST_SKELETON:
            raise BrokenAnswer("too much besides the streams")

    def finish(self) -> list[ExportedItem]:
        """All items of the answer. Raises BrokenAnswer when it is no whole export answer."""
        try:
            body = json.loads(self._skeleton)
            return [self._item(entity) for entity in body["value"]]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise BrokenAnswer(f"not a whole export answer: {error}") from error

    def _read_structure(self, chunk: bytes, position: int) -> int:
        quote = chunk.find(b'"', position)
        if quote < 0:
            self._skeleton += chunk[position:]
            return len(chunk)
        self._skeleton += chunk[position:quote]
        self._place = _Place.STRING
        if _DATA_KEY.search(self._skeleton, max(0, len(self._skeleton) - 64)):
            self._place = _Place.DATA
            self._skeleton += f'"{len(self._streams)}"'.encode()
            self._streams.append(_Stream())
        else:
            self._skeleton += b'"'
        return quote + 1

    def _read_string(self, chunk: bytes, position: int) -> int:
        stop = _STRING_STOP.search(chunk, position)
        end = stop.start() if stop else len(chunk)
        self._take(chunk[position:end])
        if not stop:
            return end
        if stop[0] == b"\\":
            self._escaped = True
        else:
            if self._place is _Place.STRING:
                self._skeleton += b'"'
            self._place = _Place.STRUCTURE
        return end + 1

    def _take(self, piece: bytes, *, escaped: bool = False) -> None:
        if self._place is _Place.DATA:
            # The only escape that JSON writers put into base64 is that of the slash.
            self._streams[-1].feed(piece if piece == b"/" or not escaped else b"\\" + piece)
        else:
            self._skeleton += b"\\" + piece if escaped else piece

    def _item(self, entity: Mapping[str, object]) -> ExportedItem:
        item, change_key = text(entity, "itemId"), text(entity, "changeKey")
        error = entity.get("error")
        if isinstance(error, Mapping):
            problem = item_error(text(error, "code"), text(error, "message"))
            return ExportedItem(item, change_key, error=problem)
        if "data" not in entity or entity["data"] is None:
            return ExportedItem(item, change_key, error=Retry("the answer holds no stream"))
        stream = self._streams[int(text(entity, "data"))]
        payload, failure = stream.finish()
        return ExportedItem(item, change_key, payload, failure)


class _Stream:
    """Decodes base64 strictly as it arrives; a large stream goes to a file without a name."""

    def __init__(self) -> None:
        self._decoded: io.BytesIO | IO[bytes] = io.BytesIO()
        self._rest = b""
        self._padded = False
        self._error: SourceError | None = None

    def feed(self, piece: bytes) -> None:
        if self._error:
            return
        piece = self._rest + piece
        whole = len(piece) // 4 * 4
        block, self._rest = piece[:whole], piece[whole:]
        if not block:
            return
        if self._padded:
            self._error = Damaged(_BEYOND_END)
            return
        self._padded = block.endswith(b"=")
        try:
            decoded = pybase64.b64decode(block, validate=True)
        except binascii.Error as error:
            self._error = Damaged(f"the stream is not base64: {error}")
            return
        if self._padded and pybase64.b64encode(decoded[-(len(decoded) % 3) :]) != block[-4:]:
            self._error = Damaged("the stream is not base64: bits beyond the last byte")
            return
        self._keep(decoded)

    def finish(self) -> tuple[Payload | None, SourceError | None]:
        """(payload, None), or (None, what is wrong)."""
        if self._error is None and self._rest:
            self._error = (
                Damaged(_BEYOND_END) if self._padded else Retry("the stream's base64 ends early")
            )
        if self._error is None and not self._decoded.tell():
            self._error = Retry("the stream is empty")
        if self._error:
            return None, self._error
        if isinstance(self._decoded, io.BytesIO):
            # Shares the buffer: the stream is in memory once.
            return self._decoded.getvalue(), None
        with self._decoded as file:
            file.flush()
            return mmap(file.fileno(), 0, access=ACCESS_READ), None

    def _keep(self, decoded: bytes) -> None:
        in_memory = isinstance(self._decoded, io.BytesIO)
        try:
            if in_memory and self._decoded.tell() + len(decoded) > IN_MEMORY:
                file = TemporaryFile()  # noqa: SIM115  (closed when it has been mapped)
                file.write(cast("io.BytesIO", self._decoded).getbuffer())
                self._decoded = file
            self._decoded.write(decoded)
        except OSError as error:
            self._error = Retry(f"no room for a large stream in {gettempdir()}: {error.strerror}")
