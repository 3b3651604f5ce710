"""Looking inside one item: what is shown of it, and the trace that a look leaves."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import PurePath
from uuid import UUID

from django.utils import timezone

from backups import streams
from backups.catalog.models import ItemVersion
from backups.restores.reading import Unreadable, read_version
from tenants.audit.services import record
from tenants.models import AuditEvent

MAX_PREVIEW = 64 * 1024 * 1024
"""Bytes of an item that is shown in a page; a larger one can only be downloaded."""
MAX_INLINE = 8 * 1024 * 1024
"""Bytes of inline pictures that are put into a body."""
BODY_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'self'"
)
"""A body runs nothing, sends nothing and loads nothing, whatever it holds."""

_ONE_LOOK = timedelta(hours=1)
_PICTURE = re.compile(r"image/(?:png|jpe?g|gif|webp|bmp)", re.IGNORECASE)
_PICTURE_SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
}
# Measured in Chromium: preconnect hints, frames and clicked links open a connection whatever the
# policy says. Without its name no element is one, and a parser knows an element only by these
# letters after "<".
_REACHING = re.compile(
    r"<(/?)(a|area|link|meta|base|iframe|frame|frameset|object|embed)(?=[\s/>])", re.IGNORECASE
)
_LINK_LOOK = "<style>x-a{color:#0645ad;text-decoration:underline}</style>"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")


def note_look(version: ItemVersion, person_id: UUID, *, again: bool = True) -> None:
    """Write the look into the audit; with ``again`` False only when this person has not looked
    within the hour (a page and the frame in it are one look)."""
    if not again and _has_looked(version, person_id):
        return
    record(
        action="item.viewed",
        subject=version.backup.mailbox.address,
        person_id=person_id,
        item=version.pk,
    )


def payload_of(version: ItemVersion) -> bytes:
    """The stream to look at, of an item that is small enough for a page. Raises Unreadable."""
    if version.size > MAX_PREVIEW:
        raise Unreadable("This item is too large to be shown. Download it instead.")
    try:
        return streams.native_form(read_version(version))
    except streams.StreamError as error:
        raise Unreadable(f"This item can't be shown: {error}. Download it instead.") from error


def body_html(payload: bytes, view: streams.ItemView) -> str:
    """The HTML body with its inline pictures in it, only to be served under ``BODY_POLICY``."""
    numbers = streams.inline_numbers(view.html, view.attachments)
    pictures = _pictures(payload, view, set(numbers.values()))
    shown = {ref: pictures[number] for ref, number in numbers.items() if number in pictures}
    html = streams.with_references(view.html, shown)
    return _REACHING.sub(r"<\1x-\2", html) + _LINK_LOOK


def _pictures(payload: bytes, view: streams.ItemView, numbers: set[int]) -> dict[int, str]:
    """Attachments that are pictures as data: URLs, together at most ``MAX_INLINE`` bytes."""
    found: dict[int, str] = {}
    left = MAX_INLINE
    for file in view.attachments:
        kind = _picture_type(file)
        if file.number in numbers and kind and file.size <= left:
            left -= file.size
            content = base64.b64encode(streams.attachment_content(payload, file.number)).decode()
            found[file.number] = f"data:{kind};base64,{content}"
    return found


def _picture_type(file: streams.AttachmentView) -> str:
    """The media type of a picture; many mails name none, then it goes by the file's suffix."""
    if file.mime_type:
        return file.mime_type.lower() if _PICTURE.fullmatch(file.mime_type) else ""
    return _PICTURE_SUFFIXES.get(PurePath(file.name).suffix.lower(), "")


def attachment_name(file: streams.AttachmentView) -> str:
    """A name for the disk: the sender's, without any path in it."""
    if file.embedded:
        return f"{streams.safe_name(file.name, 'message')}.eml"
    suffix = PurePath(file.name.replace("\\", "/")).suffix
    if not _SUFFIX.fullmatch(suffix):
        return streams.safe_name(file.name, "attachment")
    return streams.safe_name(file.name[: -len(suffix)], "attachment") + suffix


def _has_looked(version: ItemVersion, person_id: UUID) -> bool:
    looks = AuditEvent.objects.filter(action="item.viewed", detail__item=version.pk)
    return looks.filter(person_id=person_id, at__gte=timezone.now() - _ONE_LOOK).exists()
