"""Pictures, sounds and keys inside vCards, in base64 or as data: addresses."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final

import pybase64

from backups.streams.contacts.lines import Line
from backups.streams.contacts.places import MEDIA_TYPES

_DATA_URI = re.compile(r"data:([\w/+.-]*)[^,]{0,200};base64,", re.IGNORECASE)
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_STARTS: Final = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"OggS", "OGG"),
    (b"RIFF", "WEBP"),
)
_ENCODED_STARTS: Final = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR")
"""JPEG, PNG, GIF and WebP in base64, which some programs write without saying so."""

_SHOWN: Final = frozenset({"PHOTO", "LOGO"})


@dataclass(frozen=True, slots=True)
class Media:
    media_type: str
    suffix: str
    content: bytes


def read_media(line: Line) -> Media | None:
    """The file in a line; None when it is elsewhere, such as at an address, or damaged."""
    uri = _DATA_URI.match(line.value)
    encoded = line.kinds & {"B", "BASE64"} or line.parameter("VALUE").upper() == "BINARY"
    if uri is None and not encoded and not line.value.startswith(_ENCODED_STARTS):
        return None
    compact = _NO_BASE64.sub("", line.value[uri.end() :] if uri else line.value)
    try:
        content = pybase64.b64decode(compact + "=" * (-len(compact) % 4))
    except (binascii.Error, ValueError):
        return None
    if not content:
        return None
    named = uri[1].lower() if uri else line.parameter("MEDIATYPE").lower()
    return Media(*_type_of(line, named, content), content)


def type_in_card(media_type: str) -> str:
    """The TYPE of vCard 3.0 for a media type."""
    for kind, (known, _) in MEDIA_TYPES.items():
        if known == media_type.lower():
            return kind
    kind = media_type.rpartition("/")[2].upper()
    return kind if re.fullmatch(r"[A-Z0-9-]{1,40}", kind) else "JPEG"


def _type_of(line: Line, named: str, content: bytes) -> tuple[str, str]:
    """(media type, suffix): a picture's by its first bytes, else what the card says."""
    if line.name in _SHOWN or not named:
        for start, kind in _STARTS:
            if content.startswith(start):
                return MEDIA_TYPES[kind]
    for known in MEDIA_TYPES.values():
        if known[0] == named:
            return known
    for kind in sorted(line.kinds):
        kind = kind.rpartition("/")[2]
        if kind in MEDIA_TYPES:
            return MEDIA_TYPES[kind]
    if re.fullmatch(r"[\w.+-]+/[\w.+-]+", named):
        return named, "bin"
    return ("image/jpeg", "jpg") if line.name in _SHOWN else ("application/octet-stream", "bin")
