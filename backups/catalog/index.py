"""From the index record that a commit carries to the columns of the catalog.

What came out of a stranger's mail is never trusted here: a value of the wrong kind becomes
empty, and text loses what PostgreSQL cannot hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypedDict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 4_000


class Columns(TypedDict):
    subject: str
    sender: str
    recipients: str
    message_id: str
    sent_at: datetime | None
    received_at: datetime | None
    is_read: bool
    is_draft: bool
    is_flagged: bool
    importance: int
    attachments: list[list[str | int]]
    categories: list[str]
    notes: list[str]
    digest: bytes


def columns(index: Mapping[str, object]) -> Columns:
    """Columns of an item version; ``index`` is ``IndexRecord.to_record()`` (docs/streams.md)."""
    name, address = text(index.get("sender_name")), text(index.get("sender_address"))
    people = [text(index.get(field)) for field in ("to", "cc", "bcc", "people")]
    return {
        "subject": text(index.get("subject")),
        "sender": _sender(name, address),
        "recipients": "; ".join(part for part in people if part)[:MAX_TEXT],
        "message_id": text(index.get("message_id")),
        "sent_at": _moment(index.get("sent_at")),
        "received_at": _moment(index.get("received_at")),
        "is_read": index.get("is_read") is True,
        "is_draft": index.get("is_draft") is True,
        "is_flagged": index.get("is_flagged") is True,
        "importance": _importance(index.get("importance")),
        "attachments": _attachments(index.get("attachments")),
        "categories": _texts(index.get("categories")),
        "notes": _texts(index.get("notes")),
        "digest": _digest(index.get("digest")),
    }


def _sender(name: str, address: str) -> str:
    """Name and address; the address inside an Exchange organization tells people nothing."""
    if name and address and name != address and not address.lower().startswith("/o="):
        return f"{name} <{address}>"
    return name or address


def text(value: object, longest: int = MAX_TEXT) -> str:
    """Text as PostgreSQL can hold it: no NUL, no half of a surrogate pair, not endless."""
    if not isinstance(value, str):
        return ""
    clean = value[:longest].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace").decode("utf-8")


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        return None


def _importance(value: object) -> int:
    return value if isinstance(value, int) and value in (0, 1, 2) else 1


def _attachments(value: object) -> list[list[str | int]]:
    if not isinstance(value, list):
        return []
    return [
        [text(entry[0]), entry[1]]
        for entry in value
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], int)
    ]


def _texts(value: object) -> list[str]:
    return [text(entry) for entry in value] if isinstance(value, list) else []


def _digest(value: object) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""
