"""Reading answers: entities of listings, and exports as they arrive.

An export answer is JSON with the streams in it as base64, up to hundreds of megabytes of text.
``ExportReader`` never holds that text: each ``data`` string is decoded while it arrives, and the
JSON parser gets to see its number instead.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping

import httpx

from backups.sources.errors import Retry, Unavailable
from backups.sources.graph.problems import BrokenAnswer, item_error
from backups.sources.interface import ExportedItem, ItemChange, SourceFolder
from backups.sources.payloads import StreamDecoder
from backups.sources.times import moment

_DATA_KEY = re.compile(rb'"data"\s*:\s*\Z')
_STRING_STOP = re.compile(rb'["\\]')
_LONGEST_SKELETON = 16 * 1024 * 1024


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
        self._streams: list[StreamDecoder] = []
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
            self._streams.append(StreamDecoder())
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
        # Microsoft's page about archives writes it with a capital letter.
        error = entity.get("error") or entity.get("Error")
        if isinstance(error, Mapping):
            problem = item_error(text(error, "code"), text(error, "message"))
            return ExportedItem(item, change_key, error=problem)
        if "data" not in entity or entity["data"] is None:
            return ExportedItem(item, change_key, error=Retry("the answer holds no stream"))
        stream = self._streams[int(text(entity, "data"))]
        payload, failure = stream.finish()
        return ExportedItem(item, change_key, payload, failure)
