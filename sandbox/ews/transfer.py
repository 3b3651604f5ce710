"""ExportItems and UploadItems: items as streams (MS-OXWSBTRF)."""

from __future__ import annotations

import binascii
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import pybase64

from backups.streams import StreamError
from sandbox.ews.call import Call, each
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.facts import item_id
from sandbox.ews.ids import read_change_key
from sandbox.ews.xml import child, is_true, messages, text_of
from sandbox.faults import Fault, Kind
from sandbox.items import as_imported
from sandbox.records import Conflict, Folder, Item, NewItem

SERVER_BUILD = (15, 2, 1544)
"""Exchange Server 2019, as it stands in streams and in the answers' header."""

TRUNCATED = b"=== Truncated Data ==="
"""What Exchange ends an export with that it could not finish (Microsoft, ExportItems)."""


def export_items(call: Call) -> Element:
    def answer(named: Element) -> Element | None:
        item = call.item(named)
        fault = call.faults.strike_item(item.id, item.message_id)
        if fault and fault.kind is Kind.VANISHED_ITEM:
            call.store.delete_item(item.mailbox, item.id, hard=True)
            raise EwsError("ErrorItemNotFound")
        if fault and fault.kind is Kind.MISSING_ITEM:
            return None
        if fault and fault.kind is Kind.FAILED_ITEM:
            raise EwsError(fault.code or "ErrorCorruptData")
        data = call.enclose(_exported(call, item, fault))
        return success_message(call.name, _message_id(item), messages("Data", data))

    return each(call, call.required("ItemIds"), answer)


def upload_items(call: Call) -> Element:
    def answer(upload: Element) -> Element:
        return success_message(call.name, _message_id(_upload(call, upload)))

    return each(call, call.required("Items"), answer)


def _upload(call: Call, upload: Element) -> Item:
    parent, named = child(upload, "ParentFolderId"), child(upload, "ItemId")
    if parent is None:
        raise EwsError("ErrorInvalidParentFolder", "UploadItem needs a ParentFolderId.")
    folder = call.folder(parent)
    new = _imported(text_of(upload, "Data"))
    action = upload.get("CreateAction")
    if action == "CreateNew":
        return _created(call, folder, new, upload)
    if named is None:
        raise EwsError("ErrorInvalidOperation", f"{action} needs an ItemId.")
    try:
        return _updated(call, named, new)
    except EwsError as error:
        if action != "UpdateOrCreate" or error.code != "ErrorItemNotFound":
            raise
        return _created(call, folder, new, upload)


def _created(call: Call, folder: Folder, new: NewItem, upload: Element) -> Item:
    associated = is_true(upload.get("IsAssociated"))
    return call.store.add_item(folder.mailbox, folder.id, new, associated=associated)


def _updated(call: Call, named: Element, new: NewItem) -> Item:
    old = call.item(named)
    given = named.get("ChangeKey")
    key = read_change_key(given) if given else old.change_key
    try:
        return call.store.replace_item(old.mailbox, old.id, key, new)
    except Conflict:
        raise EwsError("ErrorIrresolvableConflict") from None


def _imported(data: str) -> NewItem:
    try:
        payload = pybase64.b64decode(data, validate=True)
        return as_imported(payload, datetime.now(UTC).replace(microsecond=0), SERVER_BUILD)
    except (binascii.Error, StreamError) as error:
        raise EwsError("ErrorCorruptData", f"The data of the item is corrupt: {error}") from error


def _exported(call: Call, item: Item, fault: Fault | None) -> bytes:
    """The item's base64, as far as the fault lets it come."""
    payload = call.store.payload(item.mailbox, item.id)
    if fault and fault.kind is Kind.DAMAGED_ITEM:
        payload = payload[: len(payload) * 2 // 3]
    data: bytes = pybase64.b64encode(payload)
    if fault and fault.kind is Kind.TRUNCATED_ITEM:
        # Not a multiple of four, as when an answer was cut anywhere.
        return data[: len(data) // 8 * 4 + 1]
    if fault and fault.kind is Kind.MARKED_ITEM:
        return data[: len(data) // 8 * 4] + TRUNCATED
    return data


def _message_id(item: Item) -> Element:
    made = item_id(item)
    return messages("ItemId", **dict(made.attrib))
