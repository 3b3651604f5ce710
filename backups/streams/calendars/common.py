"""What events, tasks and journal entries of a calendar file have in common."""

from __future__ import annotations

from typing import Final

from icalendar import vBinary

from backups.streams.calendars.component import Entry
from backups.streams.calendars.identity import global_id
from backups.streams.native import names, tags
from backups.streams.native.assembly import Draft, file_attachment, integer, text, time
from backups.streams.native.index import KEYWORDS
from backups.streams.native.item import Item

SENSITIVITIES: Final = {"PUBLIC": 0, "PRIVATE": 2, "CONFIDENTIAL": 3}
_STAMPS: Final = (
    ("CREATED", tags.CREATION_TIME),
    ("LAST-MODIFIED", tags.LAST_MODIFICATION_TIME),
)
_WRITTEN: Final = frozenset({0, 1, 9})
"""Priorities that an importance is written as."""


def begin(entry: Entry, item_class: str) -> Draft:
    """A draft with subject, body, class, importance, categories and the dates of the entry."""
    draft = Draft()
    draft.add(text(tags.MESSAGE_CLASS, item_class), integer(tags.MESSAGE_FLAGS, tags.FLAG_READ))
    draft.add_text(tags.BODY, entry.text("DESCRIPTION"))
    for value in entry.values("X-ALT-DESC")[:1]:
        kind = str(getattr(value, "params", {}).get("FMTTYPE", "text/html"))
        if kind.lower() == "text/html":
            draft.add_html(str(value))
    subject = " ".join(entry.text("SUMMARY").split("\r\n"))
    draft.add(text(tags.SUBJECT, subject), text(tags.NORMALIZED_SUBJECT, subject))
    private = entry.text("CLASS").strip().upper()
    draft.add(integer(tags.SENSITIVITY, SENSITIVITIES.get(private, 0)))
    draft.name_flag(names.PRIVATE, SENSITIVITIES.get(private, 0) > 0)
    if private and not SENSITIVITIES.get(private):
        entry.keep_lines("CLASS")
    _add_importance(entry, draft)
    for name, tag in _STAMPS:
        stamp = entry.moment(name) if entry.values(name) else None
        if stamp is not None:
            draft.add(time(tag, stamp.utc))
    entry.taken.add("DTSTAMP")
    categories = [
        str(c) for value in entry.values("CATEGORIES") for c in getattr(value, "cats", [value])
    ]
    draft.name_texts(KEYWORDS, [category for category in categories if category.strip()])
    return draft


def finish(entry: Entry, draft: Draft) -> Item:
    """The item, with its UID and the lines of ``entry`` that nothing was made of."""
    uid = entry.text("UID")
    if uid:
        draft.name_binary(names.GLOBAL_OBJECT_ID, global_id(uid, None))
    draft.name_texts(names.KEPT_LINES, entry.kept_lines())
    return draft.item()


def add_files(entry: Entry, draft: Draft) -> None:
    """The files that stand in the entry; links stay as text."""
    values = entry.values("ATTACH")
    lines = entry.lines("ATTACH")
    if len(values) != len(lines):
        entry.taken.discard("ATTACH")
        return
    for value, line in zip(values, lines, strict=True):
        if not isinstance(value, vBinary):
            entry.kept.append(line)
            continue
        number = len(draft.attachments)
        params = value.params
        name = str(params.get("FILENAME") or params.get("X-FILENAME") or f"ATT{number + 1:05}.dat")
        kind = str(params.get("FMTTYPE") or "application/octet-stream")
        draft.attachments.append(file_attachment(number, name, kind, value.bytes))


def importance_of(priority: int) -> int:
    """PidTagImportance of a PRIORITY (MS-OXCICAL 2.1.3.1.1.20.17)."""
    return 2 if 0 < priority < 5 else 0 if 5 < priority < 10 else 1


def _add_importance(entry: Entry, draft: Draft) -> None:
    priority = entry.text("PRIORITY").strip()
    own = entry.text("X-MICROSOFT-CDO-IMPORTANCE").strip()
    number = int(priority) if priority.isascii() and priority.isdecimal() else 0
    importance = importance_of(number)
    if not priority and own in ("0", "1", "2"):
        importance = int(own)
    draft.add(integer(tags.IMPORTANCE, importance))
    if number not in _WRITTEN:
        entry.keep_lines("PRIORITY")
