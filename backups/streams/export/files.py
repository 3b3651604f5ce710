"""An item as the file that people open: which format, and a name that every system takes."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from backups.streams.calendars.write import write_ics
from backups.streams.contacts.write import write_vcf
from backups.streams.errors import StreamError
from backups.streams.mail.eml import to_eml
from backups.streams.native.stream import index_record

RAW_SUFFIX: Final = ".fts"
"""Suffix of a stream that no format can be made of: the stored bytes themselves."""

MAX_NAME: Final = 120
"""Bytes of a name in UTF-8; with a number and a suffix it stays far below the 255 of any disk."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_BLANK = re.compile(r"\s+")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\.|$)", re.I)
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

_WRITERS: Final = (
    (("IPM.APPOINTMENT", "IPM.TASK", "IPM.ACTIVITY"), ".ics", write_ics),
    (("IPM.CONTACT",), ".vcf", write_vcf),
    (("",), ".eml", to_eml),
)
"""What writes the items whose class begins so; the next that fits takes over where one can't."""


def export_file(payload: bytes) -> tuple[str, bytes]:
    """(suffix with its dot, content) of the file that an item becomes.

    What can't be read far enough for any format comes as its stored bytes under ``RAW_SUFFIX``.
    Never raises.
    """
    kind = index_record(payload).item_class.upper()
    for prefixes, suffix, write in _WRITERS:
        if kind.startswith(prefixes):
            try:
                return suffix, write(payload)
            except StreamError:
                continue
    return RAW_SUFFIX, payload


def safe_name(subject: str, fallback: str = "item") -> str:
    """``subject`` as a file name without suffix for Windows, macOS and Linux; never empty.

    No path, no device name, no control or direction characters, no dot or blank at its ends, at
    most ``MAX_NAME`` bytes in UTF-8. Different subjects may give the same name.
    """
    text = unicodedata.normalize("NFC", subject.encode("utf-8", "replace").decode("utf-8"))
    text = _FORBIDDEN.sub("_", _BLANK.sub(" ", text))
    text = "".join(letter for letter in text if unicodedata.category(letter) not in _UNSHOWN)
    text = _shortened(text.strip(" ."))
    if _DEVICE.match(text):
        text = f"_{text}"
    return text or fallback


def _shortened(text: str) -> str:
    return text.encode("utf-8")[:MAX_NAME].decode("utf-8", "ignore").rstrip(" .")
