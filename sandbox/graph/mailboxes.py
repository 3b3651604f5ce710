"""Mailbox paths: folders and items, listed and by delta; folders created, items deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backups.streams import StreamError, read_item
from sandbox.archives import ArchiveProfile
from sandbox.faults import truncated
from sandbox.graph.call import Call, Collection, Entity, delta, paged, skipped
from sandbox.graph.odata import (
    check_select,
    expanded_properties,
    filtered_moment,
    filtered_property,
    page_size,
    selected,
)
from sandbox.graph.places import folder_of, listed_mailbox, writable_mailbox
from sandbox.http import HttpError, Response, json_response
from sandbox.records import ROOTS, Folder, Item

MESSAGE_ID = "String 0x1035"
_FOLDER = (
    "id",
    "displayName",
    "parentFolderId",
    "childFolderCount",
    "totalItemCount",
    "type",
    "wellKnownName",
)
_ITEM = (
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "categories",
    "size",
    "type",
)


def folders(call: Call) -> Response:
    size = page_size(call.request)
    rows = _folder_rows(call, listed_mailbox(call), skipped(call.request), size + 1)
    return paged(call, _FOLDER, rows, size)


def folders_delta(call: Call) -> Response:
    mailbox = listed_mailbox(call)

    def rows(after: int, limit: int) -> list[tuple[int, Entity]]:
        return _folder_rows(call, mailbox, after, limit)

    def present(ids: Sequence[str]) -> Mapping[str, Entity]:
        wanted = set(ids)
        listed = call.store.folders(mailbox)
        return {folder.id: _listed(call, folder) for folder in listed if folder.id in wanted}

    return delta(call, Collection(f"folders:{mailbox}", _FOLDER, rows, present))


def folder(call: Call) -> Response:
    entity = _listed(call, folder_of(call))
    return json_response(selected(entity, check_select(call.request, _FOLDER)))


def create_folder(call: Call) -> Response:
    """A folder at the top, or under the folder of the path."""
    body = call.request.json()
    name, container_class = body.get("displayName"), body.get("type", "IPF.Note")
    if not isinstance(name, str) or not name.strip() or not isinstance(container_class, str):
        raise HttpError(400, "ErrorInvalidArgument", "A folder needs a displayName.")
    mailbox = writable_mailbox(call)
    parent = call.names.get("folder", "msgfolderroot")
    created = call.store.add_folder(mailbox, parent, name, container_class)
    return json_response(folder_entity(created), 201)


def items(call: Call) -> Response:
    """A folder's items; ``$filter`` compares the internet message id, or when an item changed."""
    target = folder_of(call)
    after = filtered_moment(call.request)
    wanted = None if after else filtered_property(call.request)
    if wanted and wanted[0] != MESSAGE_ID:
        raise HttpError(400, "ErrorInvalidUrlQueryFilter", "Only String 0x1035 can be compared.")
    size = page_size(call.request)
    message_id = wanted[1] if wanted else None
    found = call.store.items(
        target.id, skipped(call.request), size + 1, message_id, modified_after=after
    )
    properties = expanded_properties(call.request)
    rows = [(item.number, _expanded(call, item, properties)) for item in found]
    return paged(call, (*_ITEM, "singleValueExtendedProperties"), rows, size)


def items_delta(call: Call) -> Response:
    target = folder_of(call)

    def rows(after: int, limit: int) -> list[tuple[int, Entity]]:
        return [
            (item.number, item_entity(item)) for item in call.store.items(target.id, after, limit)
        ]

    def present(ids: Sequence[str]) -> Mapping[str, Entity]:
        found = call.store.present_items(target.id, ids)
        return {identity: item_entity(item) for identity, item in found.items()}

    response = delta(call, Collection(f"items:{target.id}", _ITEM, rows, present))
    broken = call.store.archive_profile(target.mailbox) is ArchiveProfile.OBSERVED
    return truncated(response) if broken else response


def item(call: Call) -> Response:
    found = call.store.item(folder_of(call).mailbox, call.names["item"])
    entity = _expanded(call, found, expanded_properties(call.request))
    select = check_select(call.request, (*_ITEM, "singleValueExtendedProperties"))
    return json_response(selected(entity, select))


def delete_item(call: Call) -> Response:
    disposal = call.request.query.get("disposaltype", "")
    if disposal not in ("softDelete", "hardDelete"):
        raise HttpError(400, "ErrorInvalidArgument", "disposalType is softDelete or hardDelete.")
    mailbox = folder_of(call).mailbox
    call.store.delete_item(mailbox, call.names["item"], hard=disposal == "hardDelete")
    return Response(204)


def folder_entity(folder: Folder) -> Entity:
    return {
        "id": folder.id,
        "displayName": folder.name,
        "parentFolderId": folder.parent,
        "childFolderCount": folder.children,
        "totalItemCount": folder.items,
        "type": folder.type,
        "wellKnownName": folder.well_known,
    }


def item_entity(item: Item) -> Entity:
    return {
        "id": item.id,
        "changeKey": item.change_key,
        "createdDateTime": item.created_at,
        "lastModifiedDateTime": item.modified_at,
        "categories": [],
        "size": item.size,
        "type": item.item_class,
    }


def _listed(call: Call, folder: Folder) -> Entity:
    """A folder of an archive has no well-known name."""
    entity = folder_entity(folder)
    if call.store.archive_profile(folder.mailbox) is not None:
        entity["wellKnownName"] = None
    return entity


def _folder_rows(call: Call, mailbox: str, after: int, limit: int) -> list[tuple[int, Entity]]:
    # The roots are born first in a mailbox, so leaving them out shortens a page, never ends it.
    listed = call.store.folders(mailbox, after, limit + len(ROOTS))
    rows = [(one.number, _listed(call, one)) for one in listed if one.well_known not in ROOTS]
    return rows[:limit]


def _expanded(call: Call, item: Item, properties: Sequence[str]) -> Entity:
    entity = item_entity(item)
    if properties:
        values: list[object] = []
        for name in properties:
            value = _property(call, item, name)
            if value is not None:
                values.append({"id": name, "value": value})
        entity["singleValueExtendedProperties"] = values
    return entity


def _property(call: Call, item: Item, name: str) -> str | None:
    """A property of the item's stream by an id such as ``String 0x0037``; None without it."""
    if name == MESSAGE_ID:
        return item.message_id or None
    kind, _, number = name.partition(" ")
    try:
        found = read_item(call.store.payload(item.mailbox, item.id)).find(int(number, 16))
        return None if found is None else str(found.value)
    except StreamError:
        return None
    except ValueError as error:
        message = f"The property id '{kind} {number}' is not valid."
        raise HttpError(400, "ErrorInvalidProperty", message) from error
