"""What the catalog keeps of an item so that it can be found without its bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.digest import digest_of
from backups.streams.native.entry_ids import read_one_off
from backups.streams.native.fields import Fields, address_of, clean, note, sender_of, span_of
from backups.streams.native.properties import PropertyName
from backups.streams.native.tokens import Node, Owner, Scan

MAX_TEXT: Final = 4_000
"""Characters kept of a subject or a list of people."""

MAX_MEMBERS: Final = 500
"""Members of a distribution list that are looked at; their text has a limit of its own."""

MAX_ATTACHMENTS: Final = 100
"""Attachments named in a record; a note says how many there are beyond."""

KEYWORDS: Final = PropertyName(tags.PS_PUBLIC_STRINGS, name="Keywords")

_TIMES: Final = ("sent_at", "received_at", "start_at", "end_at")
_DATED: Final = ("IPM.APPOINTMENT", "IPM.TASK", "IPM.ACTIVITY", "IPM.CONTACT", "IPM.STICKYNOTE")
_ACTIONS: Final = {102: "replied", 103: "replied", 104: "forwarded"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """Searchable facts of one item. Texts are shortened to ``MAX_TEXT``.

    Times are aware, in UTC. ``start_at`` and ``end_at`` are those of an event or a journal entry;
    a task begins and is due. ``received_at`` is the date by which a list is sorted: of an item
    that did not arrive it is the start, the due date, when it was sent or the last change.
    ``size`` is the payload's, attachment sizes are those of their content, in bytes.
    ``importance`` is 0 low, 1 normal, 2 high; ``sensitivity`` 0 normal, 1 personal, 2 private,
    3 confidential. ``bcc`` are also the rooms and equipment of an event. ``people`` are the
    addresses that a contact or a distribution list holds. ``last_action`` is "replied",
    "forwarded" or empty. ``conversation`` is the conversation's id in hexadecimal, ``digest``
    the normalised digest, empty when the stream could not be read to its end. ``notes`` say
    what could not be read.
    """

    item_class: str = ""
    subject: str = ""
    sender_name: str = ""
    sender_address: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    people: str = ""
    sent_at: datetime | None = None
    received_at: datetime | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    size: int = 0
    is_read: bool = False
    is_draft: bool = False
    is_flagged: bool = False
    last_action: str = ""
    importance: int = 1
    sensitivity: int = 0
    categories: tuple[str, ...] = ()
    has_attachments: bool = False
    attachments: tuple[tuple[str, int], ...] = ()
    message_id: str = ""
    conversation: str = ""
    digest: str = ""
    notes: tuple[str, ...] = ()

    def to_record(self) -> dict[str, object]:
        """Only strings, integers, booleans and lists; times as microseconds since 1970.

        Fields that say nothing are left out.
        """
        record: dict[str, object] = {}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if value == entry.default:
                continue
            if isinstance(value, datetime):
                value = (value - _EPOCH) // _MICROSECOND
            elif isinstance(value, tuple):
                value = [list(one) if isinstance(one, tuple) else one for one in value]
            record[entry.name] = value
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> IndexRecord:
        """Read what ``to_record`` wrote; fields of a later version are left aside.

        Raises ValueError on anything else.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in record.items() if name in known}
        try:
            for name in _TIMES:
                values[name] = _moment(values.get(name))
            for name in ("categories", "notes"):
                values[name] = tuple(str(entry) for entry in _listed(values.get(name)))
            pairs = [tuple(_listed(entry)) for entry in _listed(values.get("attachments"))]
            values["attachments"] = tuple((str(name), _number(size)) for name, size in pairs)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"not an index record: {error}") from error
        return cls(**values)  # type: ignore[arg-type]


def index_of(scan: Scan, content: Content, size: int) -> IndexRecord:
    """The record of what ``scan`` found in ``content``; ``size`` is the payload's in bytes."""
    notes: list[str] = []
    digest = ""
    if scan.fault is None:
        digest = digest_of(scan.root, content).hex()
    else:
        note(notes, str(scan.fault))
    fields = Fields(scan.root, content, notes)
    sender_name, sender_address = sender_of(fields)
    attachments = _attachments(scan.root, content, notes)
    flags = fields.integer(tags.MESSAGE_FLAGS) or 0
    importance = fields.integer(tags.IMPORTANCE)
    sensitivity = fields.integer(tags.SENSITIVITY) or 0
    start, end = span_of(fields)
    return IndexRecord(
        item_class=fields.text(tags.MESSAGE_CLASS)[:255],
        subject=fields.text(tags.SUBJECT, tags.DISPLAY_NAME)[:MAX_TEXT],
        sender_name=sender_name[:MAX_TEXT],
        sender_address=sender_address[:MAX_TEXT],
        to=_people(scan.root, content, tags.RECIPIENT_TO) or fields.text(tags.DISPLAY_TO),
        cc=_people(scan.root, content, tags.RECIPIENT_CC) or fields.text(tags.DISPLAY_CC),
        bcc=_people(scan.root, content, tags.RECIPIENT_BCC) or fields.text(tags.DISPLAY_BCC),
        people=_addresses(fields),
        sent_at=fields.time(tags.CLIENT_SUBMIT_TIME),
        received_at=_listed_at(fields, start, end),
        start_at=start,
        end_at=end,
        size=size,
        is_read=bool(flags & tags.FLAG_READ or fields.value(tags.READ)),
        is_draft=bool(flags & tags.FLAG_UNSENT),
        is_flagged=fields.integer(tags.FLAG_STATUS) == tags.FLAGGED,
        last_action=_ACTIONS.get(fields.integer(tags.LAST_VERB_EXECUTED) or 0, ""),
        importance=importance if importance in (0, 1, 2) else 1,
        sensitivity=sensitivity if sensitivity in (0, 1, 2, 3) else 0,
        categories=_categories(fields),
        has_attachments=bool(attachments),
        attachments=attachments,
        message_id=fields.text(tags.INTERNET_MESSAGE_ID)[:MAX_TEXT],
        conversation=_conversation(fields),
        digest=digest,
        notes=tuple(notes),
    )


def attachment_name(fields: Fields) -> str:
    """The name an attachment has for people; never a path to be used on a disk."""
    return fields.text(tags.ATTACH_LONG_FILENAME, tags.ATTACH_FILENAME, tags.DISPLAY_NAME)


def _people(root: Node, content: Content, kind: int) -> str:
    """Recipients of one kind as "Name <address>", separated by semicolons.

    Damage in a recipient leaves no note: the bytes of one of many people rarely matter to a search.
    """
    shown: list[str] = []
    length = 0
    for node in root.nodes(Owner.RECIPIENT):
        fields = Fields(node, content, [])
        if (fields.integer(tags.RECIPIENT_TYPE) or 0) & 0xF != kind:
            continue
        name = fields.text(tags.DISPLAY_NAME, tags.RECIPIENT_DISPLAY_NAME)
        address = address_of(fields, tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS)
        person = _person(name, address)
        shown.append(person)
        length += len(person) + 2
        if length > MAX_TEXT:
            break
    return "; ".join(shown)[:MAX_TEXT]


def _person(name: str, address: str) -> str:
    return f"{name} <{address}>" if name and address and name != address else name or address


def _addresses(fields: Fields) -> str:
    """The mail addresses in a contact, the names and addresses in a distribution list."""
    kind = fields.text(tags.MESSAGE_CLASS).upper()
    found: list[str] = []
    if kind.startswith("IPM.CONTACT"):
        for place in range(len(names.EMAILS)):
            address = fields.named(names.email(place, 3))
            if isinstance(address, str) and address.strip():
                found.append(clean(address).strip())
    elif kind.startswith("IPM.DISTLIST"):
        members = fields.named(names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS)
        entries = members[:MAX_MEMBERS] if isinstance(members, list) else []
        for entry in entries:
            member = read_one_off(entry) if isinstance(entry, bytes) else None
            if member is not None:
                found.append(_person(clean(member[0]), clean(member[2])))
    return "; ".join(found)[:MAX_TEXT]


def _attachments(root: Node, content: Content, notes: list[str]) -> tuple[tuple[str, int], ...]:
    named: list[tuple[str, int]] = []
    total = 0
    for node in root.nodes(Owner.ATTACHMENT):
        total += 1
        if total > MAX_ATTACHMENTS:
            continue
        fields = Fields(node, content, notes)
        if fields.value(tags.ATTACHMENT_HIDDEN):
            continue
        size = fields.length(tags.ATTACH_DATA)
        for message in node.nodes(Owner.MESSAGE):
            size = max(message.stop - message.start, 0)
        named.append((attachment_name(fields)[:MAX_TEXT], size))
    if total > MAX_ATTACHMENTS:
        note(notes, f"{total - MAX_ATTACHMENTS} more attachments are not listed")
    return tuple(named)


def _categories(fields: Fields) -> tuple[str, ...]:
    value = fields.named(KEYWORDS)
    return tuple(map(str, value[:MAX_ATTACHMENTS])) if isinstance(value, list) else ()


def _conversation(fields: Fields) -> str:
    """PidTagConversationId; without it the GUID in PidTagConversationIndex (MS-OXOMSG 2.2.1.3)."""
    known = fields.binary(tags.CONVERSATION_ID)
    if len(known) == 16:
        return known.hex()
    return fields.binary(tags.CONVERSATION_INDEX)[6:22].hex()


def _listed_at(fields: Fields, start: datetime | None, end: datetime | None) -> datetime | None:
    """An event or a task is looked for by its own dates, whenever it was written."""
    if fields.text(tags.MESSAGE_CLASS).upper().startswith(_DATED):
        return start or end or fields.time(tags.LAST_MODIFICATION_TIME)
    return (
        fields.time(tags.MESSAGE_DELIVERY_TIME)
        or fields.time(tags.CLIENT_SUBMIT_TIME)
        or fields.time(tags.LAST_MODIFICATION_TIME)
    )


def _moment(value: object) -> datetime | None:
    return None if value is None else _EPOCH + _number(value) * _MICROSECOND


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a number")
    return value


def _listed(value: object) -> Iterable[object]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r} is not a list")
    return value
