"""What EWS says of an item: its elements, in the order of the schema, made when they are asked."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from xml.etree.ElementTree import Element

from backups.streams import (
    IndexRecord,
    ItemView,
    Person,
    index_record,
    item_view,
    to_eml,
    write_ics,
    write_item,
    write_vcf,
)
from backups.streams import Item as Tree
from backups.streams import read_item as read_tree
from sandbox.ews.ids import write_attachment_id, write_change_key, write_id
from sandbox.ews.xml import types
from sandbox.records import Item
from sandbox.store import Store

_KINDS = (
    ("IPM.SCHEDULE.MEETING.REQUEST", "MeetingRequest"),
    ("IPM.SCHEDULE.MEETING.CANCELED", "MeetingCancellation"),
    ("IPM.SCHEDULE.MEETING.RESP", "MeetingResponse"),
    ("IPM.APPOINTMENT", "CalendarItem"),
    ("IPM.CONTACT", "Contact"),
    ("IPM.DISTLIST", "DistributionList"),
    ("IPM.TASK", "Task"),
    ("IPM.POST", "PostItem"),
)
_LEVELS = ("Low", "Normal", "High")
_SENSITIVITIES = ("Normal", "Personal", "Private", "Confidential")


_MIME: dict[str, Callable[[bytes], bytes]] = {
    "CalendarItem": write_ics,
    "Contact": write_vcf,
    "DistributionList": write_vcf,
}


def kind_of(item_class: str) -> str:
    """The element that stands for an item of a class."""
    upper = item_class.upper()
    return next((name for prefix, name in _KINDS if upper.startswith(prefix)), "Message")


def moment(value: datetime | None) -> str | None:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


class Facts:
    """An item and, once something in it is asked for, its stream read.

    ``bare``: its MIME content comes without the attachments.
    """

    def __init__(self, store: Store, item: Item, *, bare: bool = False) -> None:
        self.item = item
        self._store = store
        self._bare = bare

    @cached_property
    def payload(self) -> bytes:
        return self._store.payload(self.item.mailbox, self.item.id)

    @cached_property
    def record(self) -> IndexRecord:
        return index_record(self.payload)

    @cached_property
    def view(self) -> ItemView:
        return item_view(self.payload)

    @cached_property
    def tree(self) -> Tree:
        return read_tree(self.payload)

    @property
    def mime(self) -> bytes:
        """An event as iCalendar, a contact as vCard, everything else as a message.

        Raises StreamError or MailError for an item of which none can be made.
        """
        payload = self.payload
        if self._bare:
            tree = read_tree(payload)
            tree.attachments.clear()
            payload = write_item(tree)
        write = _MIME.get(self.kind, to_eml)
        return write(payload)

    @property
    def kind(self) -> str:
        return kind_of(self.item.item_class)


def attachment_id(item: Item, number: int) -> Element:
    """The id of an attachment, from 0: the item's with the number behind it."""
    return types("AttachmentId", Id=write_attachment_id(item.mailbox, item.id, number))


def item_id(item: Item) -> Element:
    identity = write_id(item.mailbox, item.id)
    return types("ItemId", Id=identity, ChangeKey=write_change_key(item.change_key))


def mime_content(facts: Facts) -> Element:
    content = base64.b64encode(facts.mime).decode("ascii")
    return types("MimeContent", content, CharacterSet="UTF-8")


def _text(name: str, value_of: Callable[[Facts], str | None]) -> Callable[[Facts], Element | None]:
    def element(facts: Facts) -> Element | None:
        value = value_of(facts)
        return None if value is None else types(name, value)

    return element


def _flag(name: str, value_of: Callable[[Facts], bool]) -> Callable[[Facts], Element | None]:
    return _text(name, lambda facts: str(value_of(facts)).lower())


def _body(facts: Facts) -> Element | None:
    body = facts.view.body
    return types("Body", body.html or body.text, BodyType="HTML" if body.html else "Text")


def _attachments(facts: Facts) -> Element | None:
    found = facts.view.attachments
    if not found:
        return None
    return types(
        "Attachments",
        *(
            types(
                "ItemAttachment" if one.embedded else "FileAttachment",
                attachment_id(facts.item, one.number),
                types("Name", one.name or "attachment"),
                types("ContentType", one.mime_type) if one.mime_type else None,
                types("Size", str(one.size)),
                types("IsInline", str(one.inline).lower()),
            )
            for one in found
        ),
    )


def _categories(facts: Facts) -> Element | None:
    names = facts.record.categories
    return types("Categories", *(types("String", name) for name in names)) if names else None


def _mailbox(person: Person) -> Element:
    return types(
        "Mailbox",
        types("Name", person.name or person.address),
        types("EmailAddress", person.address) if person.address else None,
        types("RoutingType", "SMTP") if person.address else None,
    )


def _people(
    name: str, people_of: Callable[[ItemView], tuple[Person, ...]]
) -> Callable[[Facts], Element | None]:
    def element(facts: Facts) -> Element | None:
        people = [one for one in people_of(facts.view) if one.name or one.address]
        return types(name, *map(_mailbox, people)) if people else None

    return element


def _sender(view: ItemView) -> tuple[Person, ...]:
    return (view.sender,)


_Properties = tuple[tuple[str, Callable[[Facts], Element | None]], ...]

# Each in the order of its type in Types.xsd, which a validating client insists on.
ITEM: _Properties = (
    ("ItemClass", _text("ItemClass", lambda facts: facts.item.item_class)),
    ("Subject", _text("Subject", lambda facts: facts.record.subject)),
    (
        "Sensitivity",
        _text("Sensitivity", lambda facts: _SENSITIVITIES[facts.record.sensitivity % 4]),
    ),
    ("Body", _body),
    ("Attachments", _attachments),
    ("DateTimeReceived", _text("DateTimeReceived", lambda facts: moment(facts.record.received_at))),
    ("Size", _text("Size", lambda facts: str(facts.item.size))),
    ("Categories", _categories),
    ("Importance", _text("Importance", lambda facts: _LEVELS[facts.record.importance % 3])),
    ("IsDraft", _flag("IsDraft", lambda facts: facts.record.is_draft)),
    ("DateTimeSent", _text("DateTimeSent", lambda facts: moment(facts.record.sent_at))),
    ("DateTimeCreated", _text("DateTimeCreated", lambda facts: facts.item.created_at)),
    ("DisplayCc", _text("DisplayCc", lambda facts: facts.record.cc)),
    ("DisplayTo", _text("DisplayTo", lambda facts: facts.record.to)),
    ("HasAttachments", _flag("HasAttachments", lambda facts: facts.record.has_attachments)),
    ("ExtendedProperty", lambda facts: None),
    ("LastModifiedTime", _text("LastModifiedTime", lambda facts: facts.item.modified_at)),
    ("IsAssociated", _flag("IsAssociated", lambda facts: False)),
)
MESSAGE: _Properties = (
    ("Sender", _people("Sender", _sender)),
    ("ToRecipients", _people("ToRecipients", lambda view: view.to)),
    ("CcRecipients", _people("CcRecipients", lambda view: view.cc)),
    ("BccRecipients", _people("BccRecipients", lambda view: view.bcc)),
    ("From", _people("From", _sender)),
    (
        "InternetMessageId",
        _text("InternetMessageId", lambda facts: facts.item.message_id or None),
    ),
    ("IsRead", _flag("IsRead", lambda facts: facts.record.is_read)),
)
EVENT: _Properties = (
    ("Start", _text("Start", lambda facts: moment(facts.record.start_at))),
    ("End", _text("End", lambda facts: moment(facts.record.end_at))),
)
TASK: _Properties = (
    ("DueDate", _text("DueDate", lambda facts: moment(facts.record.end_at))),
    ("StartDate", _text("StartDate", lambda facts: moment(facts.record.start_at))),
)
PERSON: _Properties = (("DisplayName", _text("DisplayName", lambda facts: facts.record.subject)),)
POST: _Properties = (
    ("From", _people("From", _sender)),
    (
        "InternetMessageId",
        _text("InternetMessageId", lambda facts: facts.item.message_id or None),
    ),
    ("IsRead", _flag("IsRead", lambda facts: facts.record.is_read)),
)
OWN: dict[str, _Properties] = {
    "Message": MESSAGE,
    "MeetingRequest": MESSAGE,
    "MeetingCancellation": MESSAGE,
    "MeetingResponse": MESSAGE,
    "CalendarItem": EVENT,
    "Task": TASK,
    "Contact": PERSON,
    "DistributionList": PERSON,
    "PostItem": POST,
}
