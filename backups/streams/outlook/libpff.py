"""libpff for Outlook's stores, through the C interface of the library that its wheel brings.

The module ``pypff`` of that wheel hands out neither the messages that are attached to messages
(changed occurrences of a series among them) nor the names of named properties; the library itself,
which is the same file, does. Stores and items are released when their ``with`` ends, what is in
them first. Sets of properties, properties and names belong to their item.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias
from uuid import UUID

from backups.streams.errors import MailError
from backups.streams.native.properties import PropertyName

_SIGNATURE: Final = b"!BDN"
_READ: Final = 1
_MESSAGE: Final = 4096
_NUMERIC: Final = ord("n")
_MAX_NAME: Final = 65_536
_MOST: Final = 16
"""Times the size of the store that a value of it may have: beyond, its size is damaged."""

Row: TypeAlias = list[tuple[int, int, PropertyName | None, bytes | MailError]]
"""Id, type, name and value of each property; a value that can't be read is its error."""


@functools.cache
def _library() -> ctypes.CDLL:
    """The library; MailError when its wheel is missing or does not export its functions."""
    try:
        import pypff

        library = ctypes.CDLL(pypff.__file__)
        library.libpff_attachment_data_read_buffer.restype = ctypes.c_ssize_t
    except (ImportError, OSError, AttributeError) as error:
        raise MailError(f"libpff can't be used here: {error}") from error
    return library


class Handle:
    """An object of the library; ``release`` is the function that takes it back, when it is ours.

    ``limit`` is the number of bytes that a value in the store may have.
    """

    def __init__(self, limit: int, release: str = "") -> None:
        self.pointer = ctypes.c_void_p()
        self.limit = limit
        self._release = release

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pointer and self._release:
            getattr(_library(), self._release)(ctypes.byref(self.pointer), None)

    def call(self, function: str, *arguments: object) -> bool:
        """Whether ``function`` found what it was asked for; MailError when it failed."""
        return _call(function, self.pointer, *arguments) == 1

    def number(self, function: str) -> int:
        """An unsigned number of 32 bits."""
        found = ctypes.c_uint32()
        self.call(function, ctypes.byref(found))
        return found.value

    def item(self, function: str, *arguments: object) -> Handle:
        """The item that ``function`` gives; its pointer is empty when there is none."""
        found = Handle(self.limit, "libpff_item_free")
        self.call(function, *arguments, ctypes.byref(found.pointer))
        return found

    def part(self, function: str, *arguments: object) -> Handle:
        """The same for what belongs to this object and goes with it."""
        found = Handle(self.limit)
        self.call(function, *arguments, ctypes.byref(found.pointer))
        return found


def open_store(path: Path) -> Handle:
    """The store in the file at ``path``; MailError for a file that is none."""
    with path.open("rb") as file:
        if file.read(4) != _SIGNATURE:
            raise MailError("not an Outlook store")
    store = Handle(_MOST * path.stat().st_size, "libpff_file_free")
    _call("libpff_file_initialize", ctypes.byref(store.pointer))
    try:
        store.call("libpff_file_open", os.fsencode(path), _READ)
    except MailError as error:
        store.__exit__(None, None, None)
        raise MailError("the store is damaged, or of a kind that is not read") from error
    return store


def children(parent: Handle, what: str, owner: str = "folder") -> Iterator[Handle | MailError]:
    """The ``what`` (sub_folder, sub_message, attachment) of an item; one that can't be read is
    its error."""
    for place in range(parent.number(f"libpff_{owner}_get_number_of_{what}s")):
        try:
            yield parent.item(f"libpff_{owner}_get_{what}", place)
        except MailError as error:
            yield error


def rows(item: Handle) -> Iterator[Row]:
    """The properties of an item, or of each row of a table."""
    for place in range(item.number("libpff_item_get_number_of_record_sets")):
        yield list(_entries(item.part("libpff_item_get_record_set_by_index", place)))


def attached(attachment: Handle) -> bytes:
    """The content of an attachment."""
    size = _size(attachment, "libpff_attachment_get_data_size")
    buffer = ctypes.create_string_buffer(size)
    done = 0
    while done < size:
        place = ctypes.byref(buffer, done)
        arguments = (attachment.pointer, place, ctypes.c_size_t(size - done))
        got = _call("libpff_attachment_data_read_buffer", *arguments)
        if not got:
            raise MailError(f"an attachment of {size} bytes ends after {done}")
        done += got
    return buffer.raw


def _entries(row: Handle) -> Iterator[tuple[int, int, PropertyName | None, bytes | MailError]]:
    for place in range(row.number("libpff_record_set_get_number_of_entries")):
        entry = row.part("libpff_record_set_get_entry_by_index", place)
        number = entry.number("libpff_record_entry_get_entry_type")
        kind = entry.number("libpff_record_entry_get_value_type")
        try:
            yield number, kind, _name(entry), _value(entry)
        except MailError as error:
            yield number, kind, None, error


def _value(entry: Handle) -> bytes:
    size = _size(entry, "libpff_record_entry_get_data_size")
    if not size:
        return b""
    buffer = ctypes.create_string_buffer(size)
    entry.call("libpff_record_entry_get_data", buffer, ctypes.c_size_t(size))
    return buffer.raw


def _size(owner: Handle, function: str) -> int:
    size = ctypes.c_uint64()
    owner.call(function, ctypes.byref(size))
    if size.value > owner.limit:
        raise MailError(f"a value of {size.value} bytes, which the store has no room for")
    return size.value


def _name(entry: Handle) -> PropertyName | None:
    name = entry.part("libpff_record_entry_get_name_to_id_map_entry")
    if not name.pointer:
        return None
    guid, kind = ctypes.create_string_buffer(16), ctypes.c_uint8()
    prefix = "libpff_name_to_id_map_entry_get_"
    name.call(f"{prefix}guid", guid, ctypes.c_size_t(16))
    name.call(f"{prefix}type", ctypes.byref(kind))
    if kind.value == _NUMERIC:
        return PropertyName(UUID(bytes_le=guid.raw), lid=name.number(f"{prefix}number"))
    units = ctypes.c_size_t()
    name.call(f"{prefix}utf16_string_size", ctypes.byref(units))
    if units.value > _MAX_NAME:
        raise MailError("the name of a property is too long")
    text = ctypes.create_string_buffer(2 * units.value)
    name.call(f"{prefix}utf16_string", text, units)
    decoded = text.raw.decode("utf-16", "replace").partition("\0")[0]
    return PropertyName(UUID(bytes_le=guid.raw), name=decoded)


def _call(function: str, *arguments: object) -> int:
    """What ``function`` returns; MailError with the library's own words when it failed."""
    error = ctypes.c_void_p()
    try:
        result: int = getattr(_library(), function)(*arguments, ctypes.byref(error))
    except AttributeError as missing:
        raise MailError(f"libpff can't be used here: {missing}") from missing
    if result >= 0:
        return result
    text = ctypes.create_string_buffer(_MESSAGE)
    _library().libpff_error_sprint(error, text, ctypes.c_size_t(_MESSAGE))
    _library().libpff_error_free(ctypes.byref(error))
    reason = text.value.decode("utf-8", "replace").partition("\n")[0].partition(": ")[2]
    raise MailError(reason.rstrip(".") or "the store is damaged")
