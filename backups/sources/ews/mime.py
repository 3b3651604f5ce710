"""Items of servers without ExportItems: asked for as MIME, and made from it (GetItem, CreateItem).

The payload is described in ``backups.mime_items``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backups.mime_items import MESSAGE_FLAGS, PROPERTIES, Facts, MimeItemError, pack_up, unpack
from backups.sources.errors import Refused, Retry
from backups.sources.ews.answers import Answer, problem_of
from backups.sources.ews.listing import number
from backups.sources.ews.problems import TOO_MUCH, error_of
from backups.sources.ews.soap import Encoded, attribute, extended, item_id, m, shape, t, text
from backups.sources.ews.transport import Call, Transport
from backups.sources.interface import ExportedItem, ItemChange, Payload
from backups.sources.packs import Pack, TooMuch

_WHAT = "exporting items as MIME"
_NAMED = 5
_ATTACHED = re.compile(
    rb"^(?:content-disposition:|content-id:|content-type:[ \t]*message/)",
    re.IGNORECASE | re.MULTILINE,
)
_HAS_ATTACHMENT, _FROM_ME = 0x10, 0x20
_COMPUTED = _HAS_ATTACHMENT | _FROM_ME

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


def create_item(folder: str, payload: Payload) -> tuple[str | Encoded, ...]:
    """The CreateItem that puts it into a folder. Nothing is sent to anybody.

    Raises Refused for a payload whose field can't be read.
    """
    try:
        facts, mime = unpack(payload)
    except MimeItemError as error:
        raise Refused(str(error)) from error
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


def _settable(properties: Sequence[tuple[int, str, str]]) -> list[str]:
    """The properties that MIME does not carry; of the flags those that nobody computes."""
    allowed = dict(PROPERTIES)
    made = []
    for tag, kind, value in properties:
        if allowed.get(tag) != kind:
            continue
        if tag == MESSAGE_FLAGS:
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
