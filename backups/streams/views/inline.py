"""Pictures of an HTML body that lie in the attachments (MS-OXCMSG 2.2.2.29, RFC 2392)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from backups.streams.views.model import AttachmentView

_REFERENCE: Final = re.compile(
    r"""(?:\bsrc|\bbackground|\burl)\s*(?:=|\()\s*["']?([^\s"'<>()\\]{1,1000})""", re.IGNORECASE
)
_CONTENT_ID: Final = re.compile(r"""cid:([^\s"'<>()\\]{1,300})""", re.IGNORECASE)


def inline_numbers(html: str, attachments: tuple[AttachmentView, ...]) -> dict[str, int]:
    """The attachment that each reference of ``html`` means: reference as it is written there,
    such as "cid:image001.png@01D0" or a content location, and the attachment's number.

    References without an attachment are left out. Never raises.
    """
    by_id, by_location = _places(attachments)
    found: dict[str, int] = {}
    if not by_id and not by_location:
        return found
    for match in _CONTENT_ID.finditer(html):
        number = by_id.get(_plain(match[1]))
        if number is not None:
            found[match[0]] = number
    if by_location:
        for match in _REFERENCE.finditer(html):
            number = by_location.get(match[1])
            if number is not None:
                found[match[1]] = number
    return found


def with_references(html: str, replacements: Mapping[str, str]) -> str:
    """``html`` with the references that are keys of ``replacements`` replaced; the keys are those
    of ``inline_numbers``."""
    html = _CONTENT_ID.sub(lambda found: replacements.get(found[0], found[0]), html)

    def replaced(found: re.Match[str]) -> str:
        return found[0].replace(found[1], replacements.get(found[1], found[1]))

    return _REFERENCE.sub(replaced, html)


def _places(
    attachments: tuple[AttachmentView, ...],
) -> tuple[dict[str, int], dict[str, int]]:
    by_id: dict[str, int] = {}
    by_location: dict[str, int] = {}
    for file in attachments:
        if file.content_id:
            by_id.setdefault(_plain(file.content_id), file.number)
        if file.content_location:
            by_location.setdefault(file.content_location, file.number)
    return by_id, by_location


def _plain(content_id: str) -> str:
    """A content id without its brackets, in the one case in which programs compare it."""
    return unquote(content_id.strip().strip("<>")).casefold()
