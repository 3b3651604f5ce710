"""Items created from MIME or from properties, updated, moved and deleted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from xml.etree.ElementTree import Element

from backups.streams import Item as Tree
from backups.streams import (
    MailError,
    Property,
    StreamError,
    from_ics,
    from_mime,
    from_vcard,
    read_item,
    write_item,
)
from backups.streams.native import properties as kinds
from backups.streams.native import tags
from sandbox.ews.call import Call, each
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.extended import extended_of, read_name, set_properties
from sandbox.ews.facts import Facts, item_id, kind_of
from sandbox.ews.ids import read_change_key
from sandbox.ews.transfer import SERVER_BUILD
from sandbox.ews.xml import child, is_true, local_name, messages, text_of, types
from sandbox.items import from_stream
from sandbox.records import Conflict, Item, NewItem

_READ, _UNSENT = 0x1, 0x8
"""MSGFLAG_READ and MSGFLAG_UNSENT of PidTagMessageFlags (MS-OXCMSG 2.2.1.6)."""
_LEVELS = {"Low": 0, "Normal": 1, "High": 2}


def create_item(call: Call) -> Element:
    """Items saved into a folder; nothing is ever sent.

    As Exchange does, a message is a draft unless PidTagMessageFlags says otherwise.
    """
    place = child(call.operation, "SavedItemFolderId")
    default = types("DistinguishedFolderId", Id="drafts")
    folder = call.folder(place[0] if place is not None and len(place) else default)

    def answer(wanted: Element) -> Element:
        new = _made(wanted)
        return _answer(call, call.store.add_item(folder.mailbox, folder.id, new))

    return each(call, call.required("Items"), answer)


def update_item(call: Call) -> Element:
    """Properties set or removed. To mark as read is a change of its own kind (SyncFolderItems)."""

    def answer(change: Element) -> Element:
        (named, updates) = change
        old = call.item(named)
        tree = Facts(call.store, old).tree
        fields = {_update(tree, update) for update in updates}
        given = named.get("ChangeKey")
        key = read_change_key(given) if given else old.change_key
        if call.operation.get("ConflictResolution") == "AlwaysOverwrite":
            key = old.change_key
        new = from_stream(write_item(tree), _now())
        new = NewItem(new.payload, new.item_class, new.message_id, old.created_at, new.modified_at)
        try:
            item = call.store.replace_item(
                old.mailbox, old.id, key, new, read_only=fields == {"IsRead"}
            )
        except Conflict:
            raise EwsError("ErrorIrresolvableConflict") from None
        conflicts = messages("ConflictResults", types("Count", "0"))
        return _answer(call, item, conflicts)

    return each(call, call.required("ItemChanges"), answer)


def delete_item(call: Call) -> Element:
    """Hard: gone. Soft: to Recoverable Items. Else to Deleted Items. Public folders: gone."""
    kind = call.operation.get("DeleteType", "")

    def answer(named: Element) -> Element:
        item = call.item(named)
        if call.is_public(item.mailbox):
            call.store.delete_item(item.mailbox, item.id, hard=True)
        elif kind == "MoveToDeletedItems":
            call.store.move_item(item.mailbox, item.id, "deleteditems")
        else:
            call.store.delete_item(item.mailbox, item.id, hard=kind == "HardDelete")
        return success_message(call.name)

    return each(call, call.required("ItemIds"), answer)


def move_item(call: Call) -> Element:
    target = call.folder(call.required("ToFolderId")[0])

    def answer(named: Element) -> Element:
        item = call.item(named)
        if item.mailbox != target.mailbox:
            raise EwsError("ErrorMoveCopyFailed", "Items are moved inside of a mailbox only.")
        return _answer(call, call.store.move_item(item.mailbox, item.id, target.id))

    return each(call, call.required("ItemIds"), answer)


def copy_item(call: Call) -> Element:
    target = call.folder(call.required("ToFolderId")[0])

    def answer(named: Element) -> Element:
        item = call.item(named)
        payload = call.store.payload(item.mailbox, item.id)
        copy = NewItem(payload, item.item_class, item.message_id, item.created_at, item.modified_at)
        return _answer(call, call.store.add_item(target.mailbox, target.id, copy))

    return each(call, call.required("ItemIds"), answer)


def _answer(call: Call, item: Item, *more: Element) -> Element:
    shown = types(kind_of(item.item_class), item_id(item))
    return success_message(call.name, messages("Items", shown), *more)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _made(wanted: Element) -> NewItem:
    mime = text_of(wanted, "MimeContent")
    try:
        raw = base64.b64decode(mime) if mime else _composed(wanted)
        tree = read_item(_stream(local_name(wanted), raw))
    except (binascii.Error, MailError, StreamError) as error:
        raise EwsError("ErrorMimeContentInvalid", f"The MIME content is invalid: {error}") from None
    if local_name(wanted) == "Message":
        read = is_true(text_of(wanted, "IsRead", "true"))
        set_properties(tree, _flags(tree, _UNSENT | (_READ if read else 0)))
    for name in ("ItemClass", "Importance", "Categories"):
        found = child(wanted, name)
        if found is not None and (name != "ItemClass" or found.text):
            set_properties(tree, _property(tree, found))
    set_properties(tree, extended_of(wanted, tree))
    return from_stream(write_item(tree, build=SERVER_BUILD), _now())


def _stream(kind: str, raw: bytes) -> bytes:
    """An event from iCalendar, a contact from vCard, anything else from a message."""
    if kind == "CalendarItem":
        return from_ics(raw)[0]
    if kind in ("Contact", "DistributionList"):
        return from_vcard(raw)[0]
    return from_mime(raw)


def _composed(wanted: Element) -> bytes:
    message = EmailMessage()
    for header, name in (("To", "ToRecipients"), ("Cc", "CcRecipients"), ("Bcc", "BccRecipients")):
        people = child(wanted, name)
        if people is not None:
            message[header] = ", ".join(text_of(one, "EmailAddress") for one in people)
    message["Subject"] = text_of(wanted, "Subject").replace("\r", " ").replace("\n", " ")
    body = child(wanted, "Body")
    html = body is not None and body.get("BodyType") == "HTML"
    message.set_content(
        (body.text or "") if body is not None else "", subtype="html" if html else "plain"
    )
    return message.as_bytes()


def _flags(tree: Tree, flags: int) -> Iterator[Property]:
    old = tree.find(tags.MESSAGE_FLAGS)
    kept = int(str(old.value)) & ~(_READ | _UNSENT) if old else 0
    yield Property.of(tags.MESSAGE_FLAGS, kinds.INTEGER32, kept | flags)


def _update(tree: Tree, update: Element) -> str:
    """Carry out a SetItemField or DeleteItemField; the property's name."""
    path = update[0]
    name = path.get("FieldURI", "").rpartition(":")[2]
    if local_name(update) == "DeleteItemField":
        _delete(tree, path, name)
    elif local_name(update) != "SetItemField":
        raise EwsError("ErrorInvalidPropertyRequest", f"{local_name(update)} is not supported.")
    elif local_name(path) == "ExtendedFieldURI":
        set_properties(tree, extended_of(update[1], tree))
    elif name == "IsRead":
        old = tree.find(tags.MESSAGE_FLAGS)
        unsent = int(str(old.value)) & _UNSENT if old else 0
        read = _READ if is_true(text_of(update[1], "IsRead")) else 0
        set_properties(tree, _flags(tree, unsent | read))
    else:
        set_properties(tree, _property(tree, update[1][0]))
    return name


def _property(tree: Tree, element: Element) -> Iterator[Property]:
    """The MAPI property of an element such as Subject. Raises EwsError for one that has none."""
    name, text = local_name(element), element.text or ""
    if name == "Subject":
        yield Property.of(tags.SUBJECT, kinds.UNICODE, text)
        yield Property.of(tags.NORMALIZED_SUBJECT, kinds.UNICODE, text)
        yield Property.of(tags.SUBJECT_PREFIX, kinds.UNICODE, "")
    elif name == "ItemClass":
        yield Property.of(tags.MESSAGE_CLASS, kinds.UNICODE, text)
    elif name == "Importance":
        yield Property.of(tags.IMPORTANCE, kinds.INTEGER32, _LEVELS.get(text, 1))
    elif name == "Categories":
        number = max((prop.id for prop in tree.properties), default=0) + 1
        values = [one.text or "" for one in element]
        keywords = kinds.PropertyName(tags.PS_PUBLIC_STRINGS, name="Keywords")
        kind = kinds.STRING | kinds.MULTIPLE
        yield Property.of(max(number, 0x8000), kind, values, keywords)
    else:
        raise EwsError("ErrorInvalidPropertySet", f"{name} can't be set.")


def _delete(tree: Tree, path: Element, name: str) -> None:
    if local_name(path) != "ExtendedFieldURI":
        raise EwsError("ErrorInvalidPropertyDelete", f"{name} can't be removed.")
    wanted = read_name(path)
    if isinstance(wanted, int):
        tree.properties = [prop for prop in tree.properties if prop.id != wanted]
    else:
        tree.properties = [prop for prop in tree.properties if prop.name != wanted]
