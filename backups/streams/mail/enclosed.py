"""Parts of a mail that say what the item is: reports, meetings, winmail.dat, protected mail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from backups.streams.calendars.meeting import Meeting, read_meeting
from backups.streams.errors import MailError
from backups.streams.mail.entities import Entity
from backups.streams.mail.letter import FROM_CALENDAR, TEXT_LAYOUT, File, Letter
from backups.streams.mail.reports import STATUS_TYPES, read_report
from backups.streams.native import tags
from backups.streams.native.assembly import integer, named
from backups.streams.native.item import Item
from backups.streams.native.properties import UNICODE, Property
from backups.streams.outlook.tnef import open_tnef

TNEF_TYPES: Final = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_TNEF_NAME: Final = "winmail.dat"
_BODIES: Final = frozenset({tags.BODY, tags.HTML, tags.RTF_COMPRESSED})
_TNEF_FIRST: Final = frozenset(
    {
        tags.IMPORTANCE,
        tags.PRIORITY,
        tags.SENSITIVITY,
        tags.CONVERSATION_INDEX,
        tags.CONVERSATION_TOPIC,
        tags.NATIVE_BODY,
        tags.INTERNET_CODEPAGE,
        tags.MESSAGE_CODEPAGE,
        tags.READ_RECEIPT_REQUESTED,
        tags.ORIGINATOR_DELIVERY_REPORT_REQUESTED,
        *_BODIES,
    }
)
"""Properties that the mail's header says less of than the TNEF in it."""


def apply(letter: Letter, entity: Entity) -> None:
    """Let the parts of ``letter`` that say so decide what item it becomes."""
    for file in letter.files:
        if file.mime_type in TNEF_TYPES or file.name.lower() == _TNEF_NAME:
            if _take_tnef(letter, file):
                return
        elif file.mime_type == "text/calendar" and not file.attached:
            meeting = read_meeting(file.content)
            if meeting is not None:
                _take_meeting(letter, file, meeting)
                return
        elif file.mime_type in STATUS_TYPES and _is_report(entity):
            report = read_report(file, letter)
            if report is not None:
                file.hidden = True
                letter.item_class = report.item_class
                letter.weaker += report.properties
                letter.recipients = report.recipients
                return


def _is_report(entity: Entity) -> bool:
    return entity.kind == "multipart/report"


def _take_meeting(letter: Letter, file: File, meeting: Meeting) -> None:
    """The part itself stays, out of sight, so that the mail can be written as it came."""
    file.hidden = True
    letter.item_class = meeting.item_class
    draft = meeting.draft
    said = _BODIES if letter.text is not None or letter.html is not None else frozenset[int]()
    letter.weaker += [prop for prop in draft.properties if prop.id not in said]
    letter.weaker += named(
        [*draft.named, *([] if said else [(TEXT_LAYOUT, UNICODE, FROM_CALENDAR)])]
    )
    if meeting.method != "REPLY":
        letter.recipients = draft.recipients
    letter.attachments += draft.attachments


def _said(letter: Letter) -> frozenset[int]:
    """The bodies that the mail has itself: its sender made them of those in the TNEF."""
    found = set()
    if letter.text is not None and letter.text.raw.strip():
        found.add(tags.BODY)
    if letter.html is not None:
        found |= {tags.HTML, tags.INTERNET_CODEPAGE, tags.NATIVE_BODY}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Split:
    stronger: list[Property]
    weaker: list[Property]


def _take_tnef(letter: Letter, file: File) -> bool:
    """Replace the file by what is in it; False for one that can't be opened."""
    try:
        item = open_tnef(file.content)
    except MailError:
        return False
    letter.files.remove(file)
    found = item.find(tags.MESSAGE_CLASS)
    if found is not None and isinstance(found.value, str) and found.value:
        letter.item_class = found.value
    split = _split(item)
    said = _said(letter)
    stronger = [prop for prop in split.stronger if prop.id not in said]
    letter.stronger += [*stronger, *_native(stronger)]
    letter.weaker += split.weaker
    letter.attachments += item.attachments
    if not letter.headers.people("to", "cc", "bcc"):
        letter.recipients = item.recipients
    return True


def _native(properties: list[Property]) -> Iterator[Property]:
    """Which body was written by a person, where the TNEF has one and doesn't say."""
    found = {prop.id for prop in properties}
    if tags.NATIVE_BODY not in found and found & {tags.HTML, tags.RTF_COMPRESSED}:
        yield integer(tags.NATIVE_BODY, 3 if tags.HTML in found else 2)


def _split(item: Item) -> _Split:
    ours = [prop for prop in item.properties if prop.id != tags.MESSAGE_CLASS or prop.name]
    return _Split(
        [prop for prop in ours if prop.name is None and prop.id in _TNEF_FIRST],
        [prop for prop in ours if prop.name is not None or prop.id not in _TNEF_FIRST],
    )
