"""Items that are stored as MIME: what a system makes that does not hand out native streams.

The payload is the system's MIME, byte for byte, below one header field of our own::

    Stowage-Item: 1
     <base64 of a JSON object, in lines of 76 characters>

So it is a message itself, that any mail program opens, and that is cut as one; a native stream
begins with other bytes. The object has ``class`` (the item class), ``categories`` and
``properties``: lists of a tag, the type as EWS and Graph name it and the value as they write it
(docs/sources.md). The room that reads items and the one that fetches them both know this module;
it imports neither.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from dataclasses import dataclass
from mmap import mmap
from typing import Final, TypeAlias

import pybase64

Payload: TypeAlias = bytes | bytearray | memoryview | mmap

MARK: Final = b"Stowage-Item: 1\r\n"
INTEGER: Final = "Integer"
TIME: Final = "SystemTime"
MESSAGE_FLAGS: Final = 0x0E07

PROPERTIES: Final = (
    (MESSAGE_FLAGS, INTEGER),  # PidTagMessageFlags: read, and not a draft
    (0x0E06, TIME),  # PidTagMessageDeliveryTime
    (0x0039, TIME),  # PidTagClientSubmitTime
    (0x3007, TIME),  # PidTagCreationTime
    (0x1080, INTEGER),  # PidTagIconIndex
    (0x1081, INTEGER),  # PidTagLastVerbExecuted: answered, forwarded
    (0x1082, TIME),  # PidTagLastVerbExecutionTime
    (0x1090, INTEGER),  # PidTagFlagStatus
    (0x1095, INTEGER),  # PidTagFollowupIcon
)
"""What MIME has no place for and a system sets when an item is made (MS-OXCMSG, MS-OXOFLAG)."""

_LINE: Final = 76
_LONGEST_FIELD: Final = 1024 * 1024


class MimeItemError(ValueError):
    """The field above the MIME can't be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a payload says beside its MIME."""

    item_class: str
    categories: tuple[str, ...]
    properties: tuple[tuple[int, str, str], ...]


def is_mime_item(payload: Payload) -> bool:
    """Whether it is MIME with our field, and no native stream."""
    return payload[: len(MARK)] == MARK


def pack_up(facts: Facts, mime: Payload) -> bytes:
    """The payload of an item."""
    fields = {
        "class": facts.item_class,
        "categories": list(facts.categories),
        "properties": [list(one) for one in facts.properties],
    }
    encoded: bytes = pybase64.b64encode(json.dumps(fields, separators=(",", ":")).encode())
    lines = (encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE))
    return b"".join([MARK, *(b" " + line + b"\r\n" for line in lines), mime[:]])


def unpack(payload: Payload) -> tuple[Facts, bytes]:
    """(what is said beside the MIME, the MIME).

    Raises MimeItemError for what ``pack_up`` did not make.
    """
    position = len(MARK)
    encoded = bytearray()
    while payload[position : position + 1] == b" " and len(encoded) < _LONGEST_FIELD:
        line = bytes(payload[position + 1 : position + _LINE + 3])
        length = line.find(b"\r\n")
        if length < 0:
            break
        encoded += line[:length]
        position += length + 3
    try:
        fields = json.loads(b64decode(bytes(encoded), validate=True))
        facts = Facts(
            str(fields["class"]),
            tuple(str(one) for one in fields["categories"]),
            tuple(_property(*one) for one in fields["properties"]),
        )
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MimeItemError("the item's Stowage-Item field can't be read") from error
    return facts, bytes(payload[position:])


def _property(tag: object, kind: object, value: object) -> tuple[int, str, str]:
    if type(tag) is not int or not isinstance(kind, str) or not isinstance(value, str):
        raise ValueError("not a property")
    return tag, kind, str(int(value)) if kind == INTEGER else value
