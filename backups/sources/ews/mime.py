"""Items of servers without ExportItems: the MIME that the server makes, and what MIME leaves out.

The payload is the server's MIME, byte for byte, below one header field of our own::

    Stowage-Item: 1
     <base64 of a JSON object, in lines of 76 characters>

So it is a message itself, that any mail program opens, and that is cut as one. The object has
``class`` (the item class), ``categories`` and ``properties``: lists of a tag, the type as EWS
names it and the value as EWS writes it.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import pybase64

from backups.sources.errors import Refused, Retry
from backups.sources.ews.answers import Answer, problem_of
from backups.sources.ews.listing import number
from backups.sources.ews.problems import TOO_MUCH, error_of
from backups.sources.ews.soap import Encoded, attribute, extended, item_id, m, shape, t, text
from backups.sources.ews.transport import Call, Transport
from backups.sources.interface import ExportedItem, ItemChange, Payload
from backups.sources.packs import Pack, TooMuch

MARK = b"Stowage-Item: 1\r\n"
_WHAT = "exporting items as MIME"
_LINE = 76
_LONGEST_FIELD = 1024 * 1024
_NAMED = 5
_ATTACHED = re.compile(
    rb"^(?:content-disposition:|content-id:|content-type:[ \t]*message/)",
    re.IGNORECASE | re.MULTILINE,
)
_HAS_ATTACHMENT, _FROM_ME = 0x10, 0x20
_COMPUTED = _HAS_ATTACHMENT | _FROM_ME
_FLAGS = 0x0E07

PROPERTIES = (
    (_FLAGS, "Integer"),  # PidTagMessageFlags: read, and not a draft
    (0x0E06, "SystemTime"),  # PidTagMessageDeliveryTime
    (0x0039, "SystemTime"),  # PidTagClientSubmitTime
    (0x3007, "SystemTime"),  # PidTagCreationTime
    (0x1080, "Integer"),  # PidTagIconIndex
    (0x1081, "Integer"),  # PidTagLastVerbExecuted: answered, forwarded
    (0x1082, "SystemTime"),  # PidTagLastVerbExecutionTime
    (0x1090, "Integer"),  # PidTagFlagStatus
    (0x1095, "Integer"),  # PidTagFollowupIcon
)
"""What MIME has no place for, and CreateItem sets (MS-OXCMSG, MS-OXOFLAG)."""

_ELEMENTS = (
    ("IPM.APPOINTMENT", "CalendarItem"),
    ("IPM.CONTACT", "Contact"),
    ("IPM.TASK", "Task"),
    ("IPM.POST", "PostItem"),
)
_SHAPE = shape(
    "ItemShape",
    "item:ItemClass",
    "item:Attachments",
    "item:Categories",
    *(extended(tag, kind) for tag, kind in PROPERTIES),
    more="<t:IncludeMimeContent>true</t:IncludeMimeContent>",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a payload says beside its MIME."""

    item_class: str
    categories: tuple[str, ...]
    properties: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class MimeExport:
    """Asks for packs of items by GetItem."""

    transport: Transport

    def ask(self, address: str, pack: Pack) -> dict[str, ExportedItem]:
        """The pack's items by id. Raises TooMuch, SourceError."""
        ids = "".join(item_id(item.id) for item in pack)
        content = f"<m:GetItem>{_SHAPE}<m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
        call = Call(content, _WHAT, address, divisible=True)
        answer, messages = self.transport.messages(call)
        if len(messages) != len(pack):
            raise Retry(f"{_WHAT}: {len(messages)} answers to {len(pack)} questions")
        found = {}
        for item, message in zip(pack, messages, strict=True):
            problem = problem_of(message)
            if problem and problem.code in TOO_MUCH and len(pack) > 1:
                raise TooMuch
            if problem:
                error = error_of(problem, _WHAT)
                found[item.id] = ExportedItem(item.id, item.change_key, error=error)
            else:
                found[item.id] = _read(answer, message, item)
        return found


def is_container(payload: Payload) -> bool:
    """Whether it is MIME with our field, and no native stream."""
    return payload[: len(MARK)] == MARK


def pack_up(facts: Facts, mime: Payload) -> bytes:
    """The payload of an item."""
    properties = [list(one) for one in facts.properties]
    fields = {
        "class": facts.item_class,
        "categories": list(facts.categories),
        "properties": properties,
    }
    encoded: bytes = pybase64.b64encode(json.dumps(fields, separators=(",", ":")).encode())
    lines = (encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE))
    return b"".join([MARK, *(b" " + line + b"\r\n" for line in lines), mime[:]])


def unpack(payload: Payload) -> tuple[Facts, Payload]:
    """(what is said beside it, the MIME). Raises Refused for what ``pack_up`` did not make."""
    position = len(MARK)
    encoded = bytearray()
    while payload[position : position + 1] == b" " and len(encoded) < _LONGEST_FIELD:
        line = payload[position + 1 : position + _LINE + 3]
        length = line.find(b"\r\n")
        if length < 0:
            break
        encoded += line[:length]
        position += length + 3
    try:
        fields = json.loads(b64decode(bytes(encoded), validate=True))
        facts = Facts(
            str(fields["class"]),
            tuple(str(one) for one in fields["categories"]),
            tuple(_property(*one) for one in fields["properties"]),
        )
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise Refused("the item's Stowage-Item field can't be read") from error
    return facts, payload[position:]


def create_item(folder: str, payload: Payload) -> tuple[str | Encoded, ...]:
    """The CreateItem that puts it into a folder. Nothing is sent to anybody."""
    facts, mime = unpack(payload)
    upper = facts.item_class.upper()
    name = next((element for kind, element in _ELEMENTS if upper.startswith(kind)), "Message")
    invitations = ' SendMeetingInvitations="SendToNone"' if name == "CalendarItem" else ""
    head = (
        f'<m:CreateItem MessageDisposition="SaveOnly"{invitations}><m:SavedItemFolderId>'
        f"<t:FolderId Id={attribute(folder)}/></m:SavedItemFolderId><m:Items><t:{name}>"
        '<t:MimeContent CharacterSet="UTF-8">'
    )
    categories = "".join(f"<t:String>{text(one)}</t:String>" for one in facts.categories)
    tail = "".join(
        [
            "</t:MimeContent>",
            f"<t:ItemClass>{text(facts.item_class)}</t:ItemClass>" if facts.item_class else "",
            f"<t:Categories>{categories}</t:Categories>" if categories else "",
            *_settable(facts.properties),
            f"</t:{name}></m:Items></m:CreateItem>",
        ]
    )
    return head, Encoded(mime), tail


def _property(tag: object, kind: object, value: object) -> tuple[int, str, str]:
    if type(tag) is not int or not isinstance(kind, str) or not isinstance(value, str):
        raise ValueError("not a property")
    return tag, kind, str(int(value)) if kind == "Integer" else value


def _settable(properties: Sequence[tuple[int, str, str]]) -> list[str]:
    """The properties that MIME does not carry; of the flags those that nobody computes."""
    allowed = dict(PROPERTIES)
    made = []
    for tag, kind, value in properties:
        if allowed.get(tag) != kind:
            continue
        if tag == _FLAGS:
            value = str(int(value) & ~_COMPUTED)
        made.append(
            f"<t:ExtendedProperty>{extended(tag, kind)}<t:Value>{text(value)}</t:Value>"
            "</t:ExtendedProperty>"
        )
    return made


def _read(answer: Answer, message: Element, item: ItemChange) -> ExportedItem:
    element = message.find(f"{m('Items')}/*")
    if element is None:
        return ExportedItem(item.id, item.change_key, error=Retry(f"{_WHAT}: nothing came"))
    mime, error = answer.stream(element.find(t("MimeContent")))
    if mime is None:
        return ExportedItem(item.id, item.change_key, error=error)
    missing = _left_out(element, mime)
    if missing:
        error = Retry(f"{_WHAT}: the server leaves attachments out of it ({missing})")
        return ExportedItem(item.id, item.change_key, error=error)
    identity = element.find(t("ItemId"))
    key = identity.get("ChangeKey", "") if identity is not None else ""
    categories = [one.text or "" for one in element.iterfind(f"{t('Categories')}/{t('String')}")]
    facts = Facts(
        element.findtext(t("ItemClass")) or item.item_class, tuple(categories), _told(element)
    )
    return ExportedItem(item.id, key or item.change_key, pack_up(facts, mime))


def _left_out(element: Element, mime: Payload) -> str:
    """Names of attachments that can't be in the MIME: it has none, or is smaller than they are.

    Only of mail: what becomes of attachments of other items, and of signed ones, is no rule.
    """
    item_class = (element.findtext(t("ItemClass")) or "").upper()
    attached = list(element.iterfind(f"{t('Attachments')}/*"))
    if not attached or not item_class.startswith("IPM.NOTE") or ".SMIME" in item_class:
        return ""
    size = sum(number(one, "Size") for one in attached if one.tag == t("FileAttachment"))
    if size <= len(mime) and _ATTACHED.search(mime):
        return ""
    return ", ".join(one.findtext(t("Name")) or "without a name" for one in attached[:_NAMED])


def _told(element: Element) -> tuple[tuple[int, str, str], ...]:
    told = []
    for one in element.iterfind(t("ExtendedProperty")):
        path = one.find(t("ExtendedFieldURI"))
        tag = path.get("PropertyTag", "") if path is not None else ""
        try:
            number = int(tag, 0)
        except ValueError:
            continue
        value = one.findtext(t("Value"))
        kind = path.get("PropertyType", "") if path is not None else ""
        if value is not None:
            told.append((number, kind, value))
    return tuple(told)
