"""Names of named properties in a message file: one listing for the file and all inside it.

MS-OXMSG 2.2.3: a stream of property sets, one of entries, one of the strings, and up to 31 streams
through which a name is found by its hash.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from backups.streams.errors import MailError
from backups.streams.native.properties import BINARY, PropertyName
from backups.streams.outlook.compound import Storage
from backups.streams.outlook.msg_read import FIRST_LISTED_SET, KNOWN_SETS, VALUE

_SETS, _ENTRIES, _STRINGS = 2, 3, 4
_FIRST_HASH: Final = 0x1000
_HASHES: Final = 0x1F
_ENTRY = struct.Struct("<IHH")
_LENGTH = struct.Struct("<I")
_MOST: Final = 0x7FFF
_NAMED: Final = 0x8000


class NameListing:
    """Gives each name an id from 0x8000 on, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}
        self._set_numbers = {guid: number for number, guid in KNOWN_SETS.items()}
        self._sets: list[bytes] = []
        self._entries: list[bytes] = []
        self._strings = bytearray()
        self._hashed: dict[int, list[bytes]] = {}

    def id_of(self, name: bytes) -> int:
        """The id of a name as it stands on the wire; MailError when the file has none left."""
        number = self._ids.get(name)
        if number is None:
            if len(self._ids) >= _MOST:
                raise MailError("it has more named properties than a .msg file can name")
            number = self._ids[name] = _NAMED | len(self._ids)
            self._list(PropertyName.from_wire(name), number & ~_NAMED)
        return number

    def storage(self) -> Storage:
        storage = Storage()
        listings = {_SETS: self._sets, _ENTRIES: self._entries, _STRINGS: [bytes(self._strings)]}
        for number, pieces in (listings | self._hashed).items():
            storage.add_bytes(VALUE.format(number << 16 | BINARY), b"".join(pieces))
        return storage

    def _list(self, name: PropertyName, index: int) -> None:
        kind = self._set_number(name) << 1
        if name.name is None:
            value = key = name.lid or 0
        else:
            kind |= 1
            text = name.name.encode("utf-16-le", "surrogatepass")
            value = len(self._strings)
            key = _checksum(text)
            self._strings += _LENGTH.pack(len(text)) + text + bytes(-len(text) % 4)
        self._entries.append(_ENTRY.pack(value, kind, index))
        place = _FIRST_HASH + (key ^ kind) % _HASHES
        self._hashed.setdefault(place, []).append(_ENTRY.pack(key, kind, index))

    def _set_number(self, name: PropertyName) -> int:
        number = self._set_numbers.get(name.guid)
        if number is None:
            number = self._set_numbers[name.guid] = FIRST_LISTED_SET + len(self._sets)
            self._sets.append(name.guid.bytes_le)
        return number


def _checksum(text: bytes) -> int:
    """The CRC of MS-OXRTFCP 2.1.3.1.3: CRC-32 that starts at zero and is not inverted."""
    return zlib.crc32(text, 0xFFFFFFFF) ^ 0xFFFFFFFF
