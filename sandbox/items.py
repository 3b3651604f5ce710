"""Items as the sandbox's server makes them: from mail that arrives, and from streams imported."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime

from backups.streams import from_mime, index_record, read_item, validate, write_item
from backups.streams.native.properties import BINARY, TIME, Property
from backups.streams.native.tags import CREATION_TIME, LAST_MODIFICATION_TIME
from sandbox.records import NewItem
from sandbox.store import Store

SERVER_BUILD = (15, 20, 9436)
"""The build that the sandbox writes into streams on import: not the one that mail arrives with."""

_UNDATED = datetime(2001, 1, 1, tzinfo=UTC)
_DATES = (CREATION_TIME, LAST_MODIFICATION_TIME)
_SOURCE_KEY, _CHANGE_KEY, _PREDECESSORS = 0x65E0, 0x65E2, 0x65E3
"""PidTagSourceKey, PidTagChangeKey and PidTagPredecessorChangeList (MS-OXPROPS)."""
_REWRITTEN = frozenset({*_DATES, _SOURCE_KEY, _CHANGE_KEY, _PREDECESSORS})
_COUNTER_BYTES = 6
_HOMES = {
    "IPM.APPOINTMENT": ("Calendar", "IPF.Appointment"),
    "IPM.CONTACT": ("Contacts", "IPF.Contact"),
    "IPM.DISTLIST": ("Contacts", "IPF.Contact"),
    "IPM.TASK": ("Tasks", "IPF.Task"),
    "IPM.ACTIVITY": ("Journal", "IPF.Journal"),
    "IPM.STICKYNOTE": ("Notes", "IPF.StickyNote"),
}


def from_mail(raw: bytes) -> NewItem:
    """The item of an RFC 5322 message. Raises what ``from_mime`` raises."""
    return from_stream(from_mime(raw))


def from_stream(payload: bytes, moment: datetime | None = None) -> NewItem:
    """The item of a stream, dated ``moment`` or when the mail was received or sent."""
    record = index_record(payload)
    date = moment or record.received_at or record.sent_at or _UNDATED
    text = date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return NewItem(payload, record.item_class, record.message_id or "", text, text)


def home_of(item_class: str) -> tuple[str, str] | None:
    """(name, container class) of the folder to which an item of the class belongs; None: mail."""
    kind = item_class.upper()
    for prefix, home in _HOMES.items():
        if kind == prefix or kind.startswith(f"{prefix}."):
            return home
    return None


def folder_for(store: Store, mailbox: str, home: tuple[str, str]) -> str:
    """The id of such a folder in a mailbox, created where it is missing."""
    name, container_class = home
    for folder in store.folders(mailbox):
        if folder.type == container_class:
            return folder.id
    return store.add_folder(mailbox, "msgfolderroot", name, container_class).id


def as_imported(
    payload: bytes, moment: datetime, build: tuple[int, int, int] = SERVER_BUILD
) -> NewItem:
    """What a server keeps of an imported stream: its own build, dates and ids in it.

    Raises StreamError for a stream that a server would refuse.
    """
    validate(payload)
    item = read_item(payload)
    item.properties = [prop for prop in item.properties if prop.id not in _REWRITTEN]
    item.properties += [Property.of(number, TIME, moment) for number in _DATES]
    change_key = uuid.uuid4().bytes_le + secrets.token_bytes(_COUNTER_BYTES)
    item.properties.append(Property.of(_CHANGE_KEY, BINARY, change_key))
    return from_stream(write_item(item, build=build), moment)
