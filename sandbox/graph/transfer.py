"""Export of items as streams, and import through a session with a URL of its own."""

from __future__ import annotations

import binascii
import json
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pybase64

from backups.streams import StreamError
from sandbox.archives import ArchiveProfile
from sandbox.faults import Fault, Kind
from sandbox.graph.call import Call
from sandbox.graph.places import exported_item, not_writable
from sandbox.http import HttpError, Request, Response, json_response
from sandbox.items import as_imported
from sandbox.records import Folder, Item, NewItem, NotFound
from sandbox.store import Store

MAX_EXPORTED = 20
_SESSION_SECONDS = 3600


def export_items(call: Call) -> Response:
    """Up to 20 items of one mailbox, each with its stream or an error of its own."""
    mailbox = call.mailbox()
    # Documented as itemIds; the schema, and so Microsoft's own client, writes ItemIds.
    body = {name.lower(): value for name, value in call.request.json().items()}
    ids = body.get("itemids")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise HttpError(400, "BadRequest", "itemIds is a list of ids.")
    if len(ids) > MAX_EXPORTED:
        raise HttpError(400, "ErrorInvalidArgument", f"At most {MAX_EXPORTED} items at a time.")
    pieces = [b'{"@odata.context":"Collection(microsoft.graph.exportItemResponse)","value":[']
    for identity in ids:
        answer = _exported(call, mailbox, identity)
        if answer:
            pieces += [b","] * (len(pieces) > 1) + answer
    pieces.append(b"]}")
    return Response(200, pieces, {"Content-Type": "application/json"})


def create_import_session(call: Call) -> Response:
    mailbox = call.mailbox()
    expires_at = int(time.time()) + _SESSION_SECONDS
    token = call.store.open_import_session(mailbox, expires_at)
    path = f"/api/gv1.0/Mailboxes('{quote(mailbox)}')/importItem"
    expiry = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json_response(
        {
            "importUrl": f"{call.request.base_url}{path}?authtoken={token}",
            "expirationDateTime": expiry,
        }
    )


def import_item(store: Store, request: Request) -> Response:
    """Create or update one item. The URL is the right to do so: no other token is accepted."""
    if "authorization" in request.headers:
        raise HttpError(400, "BadRequest", "An import URL takes no Authorization header.")
    mailbox = _session_mailbox(store, request)
    body = request.json()
    new = _imported(_text(body, "Data"))
    folder = store.folder(store.archive_behind(mailbox) or mailbox, _text(body, "FolderId"))
    _check_place(store, mailbox, folder)
    mailbox = folder.mailbox
    mode = _text(body, "Mode").lower()
    if mode == "create":
        item = store.add_item(mailbox, folder.id, new)
    elif mode == "update":
        item = store.replace_item(mailbox, _text(body, "ItemId"), _text(body, "ChangeKey"), new)
    else:
        raise HttpError(400, "ErrorInvalidArgument", "Mode is create or update.")
    return json_response({"itemId": item.id, "changeKey": item.change_key})


def _check_place(store: Store, mailbox: str, folder: Folder) -> None:
    """Refuse what an archive takes nowhere, or in another mailbox than the session's."""
    if store.archive_profile(mailbox) not in (None, ArchiveProfile.DOCUMENTED):
        raise not_writable()
    expected = store.auxiliary_of(folder.id) or folder.mailbox
    if expected != mailbox:
        message = f"The item is expected in mailbox {expected}."
        raise HttpError(409, "ErrorIncorrectMailbox", message)


def _imported(data: str) -> NewItem:
    try:
        payload = pybase64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise HttpError(400, "ErrorInvalidArgument", f"Data is not base64: {error}") from error
    try:
        return as_imported(payload, datetime.now(UTC).replace(microsecond=0))
    except StreamError as error:
        raise HttpError(400, "ErrorCorruptData", f"The stream is refused: {error}") from error


def _session_mailbox(store: Store, request: Request) -> str:
    try:
        mailbox, expires_at = store.import_session(request.query.get("authtoken", ""))
    except NotFound:
        mailbox, expires_at = "", 0
    if expires_at < time.time():
        raise HttpError(401, "InvalidAuthenticationToken", "The import session is not valid.")
    return mailbox


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise HttpError(400, "ErrorInvalidArgument", f"{name} is required.")
    return value


def _exported(call: Call, mailbox: str, identity: str) -> list[bytes]:
    """The pieces of one item's answer; none when a fault leaves it out."""
    try:
        item = exported_item(call, mailbox, identity)
    except NotFound:
        message = "The specified object was not found in the store."
        return [_failure(identity, "ErrorItemNotFound", message)]
    if isinstance(item, str):
        path = f"/{call.version}/admin/exchange/mailboxes/{item}/exportItems"
        message = f"{call.request.base_url}{path}"
        return [_failure(identity, "ErrorArchiveFolderMovedPermanently", message)]
    fault = call.faults.strike_item(item.id, item.message_id)
    if fault and fault.kind is Kind.VANISHED_ITEM:
        call.store.delete_item(mailbox, identity, hard=True)
        return _exported(call, mailbox, identity)
    if fault and fault.kind is Kind.MISSING_ITEM:
        return []
    if fault and fault.kind is Kind.FAILED_ITEM:
        return [_failure(identity, fault.code or "ErrorCorruptData", "The item is corrupt.")]
    head = {"itemId": item.id, "changeKey": item.change_key}
    data = _data(call, item, fault)
    return [json.dumps(head)[:-1].encode(), b', "data": "', data, b'"}']


def _data(call: Call, item: Item, fault: Fault | None) -> bytes:
    payload = call.store.payload(item.mailbox, item.id)
    if fault and fault.kind is Kind.DAMAGED_ITEM:
        payload = payload[: len(payload) * 2 // 3]
    data = pybase64.b64encode(payload)
    if fault and fault.kind is Kind.TRUNCATED_ITEM:
        # Not a multiple of four, as when an answer was cut anywhere.
        data = data[: len(data) // 8 * 4 + 1]
    return data


def _failure(identity: str, code: str, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"itemId": identity, "error": error}).encode()
