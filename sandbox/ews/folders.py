"""Folders: shown, found, created and deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from xml.etree.ElementTree import Element

from sandbox import identifiers
from sandbox.ews.call import Call, each, parent_of
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.ids import write_change_key, write_id
from sandbox.ews.restriction import holds
from sandbox.ews.xml import child, local_name, messages, text_of, types
from sandbox.records import Conflict, Folder

_ELEMENTS = {
    "IPF.APPOINTMENT": "CalendarFolder",
    "IPF.CONTACT": "ContactsFolder",
    "IPF.TASK": "TasksFolder",
}
_CLASSES = {
    "CalendarFolder": "IPF.Appointment",
    "ContactsFolder": "IPF.Contact",
    "TasksFolder": "IPF.Task",
}


def _distinguished(call: Call, folder: Folder) -> str | None:
    """The well-known name: in an archive it begins with "archive"."""
    if folder.well_known is None or folder.mailbox != call.archive():
        return folder.well_known
    return f"archive{folder.well_known}"


# In the order of BaseFolderType; FolderId comes before all of them.
_PROPERTIES: tuple[tuple[str, Callable[[Call, Folder], str | None]], ...] = (
    ("ParentFolderId", lambda call, folder: parent_of(folder)),
    ("FolderClass", lambda call, folder: folder.type or None),
    ("DisplayName", lambda call, folder: folder.name),
    ("TotalCount", lambda call, folder: str(folder.items)),
    ("ChildFolderCount", lambda call, folder: str(folder.children)),
    ("DistinguishedFolderId", _distinguished),
)
_DEFAULT = frozenset({"FolderClass", "DisplayName", "TotalCount", "ChildFolderCount"})
_ALL = frozenset(name for name, _ in _PROPERTIES)


def get_folder(call: Call) -> Element:
    def answer(named: Element) -> Element:
        folder = call.folder(named)
        return success_message(call.name, messages("Folders", folder_element(call, folder)))

    return each(call, call.required("FolderIds"), answer)


def find_folder(call: Call) -> Element:
    """The folders under a folder, directly (Shallow) or all the way down (Deep)."""
    deep = call.operation.get("Traversal") == "Deep"
    restriction = child(call.operation, "Restriction")

    def answer(named: Element) -> Element:
        above = call.folder(named)
        if deep and call.is_public(above.mailbox):
            message = "Public folders are searched one level at a time."
            raise EwsError("ErrorInvalidOperation", message)
        found = call.below(above)
        if not deep:
            found = [folder for folder in found if parent_of(folder) == above.id]
        if restriction is not None:
            found = [
                folder for folder in found if holds(restriction, partial(_value, call, folder))
            ]
        return success_message(call.name, _page(call, found))

    return each(call, call.required("ParentFolderIds"), answer)


def create_folder(call: Call) -> Element:
    (parent, *_) = call.required("ParentFolderId")
    above = call.folder(parent)

    def answer(wanted: Element) -> Element:
        default = _CLASSES.get(local_name(wanted), "IPF.Note")
        kind = text_of(wanted, "FolderClass", default)
        name = text_of(wanted, "DisplayName")
        if not name.strip():
            raise EwsError("ErrorFolderSavePropertyError", "A folder needs a name.")
        try:
            made = call.store.add_folder(above.mailbox, above.id, name, kind)
        except Conflict:
            raise EwsError("ErrorFolderExists") from None
        return success_message(call.name, messages("Folders", _id_only(made)))

    return each(call, call.required("Folders"), answer)


def delete_folder(call: Call) -> Element:
    def answer(named: Element) -> Element:
        folder = call.folder(named)
        if folder.well_known:
            raise EwsError("ErrorDeleteDistinguishedFolder", "It is a folder of the mailbox's own.")
        call.store.remove_folder(folder.mailbox, folder.id)
        return success_message(call.name)

    return each(call, call.required("FolderIds"), answer)


def update_folder(call: Call) -> Element:
    """Folders get another name; nothing else of a folder can be set."""

    def answer(change: Element) -> Element:
        (named, updates) = change
        folder = call.folder(named)
        for update in updates:
            name = text_of(update[-1], "DisplayName")
            if local_name(update) != "SetFolderField" or not name:
                raise EwsError("ErrorInvalidPropertySet", "Only DisplayName can be set.")
            try:
                folder = call.store.rename_folder(folder.mailbox, folder.id, name)
            except Conflict:
                raise EwsError("ErrorFolderExists") from None
        return success_message(call.name, messages("Folders", _id_only(folder)))

    return each(call, call.required("FolderChanges"), answer)


def folder_element(call: Call, folder: Folder) -> Element:
    """A folder in the shape that the request asks for."""
    wanted = _shape(call)
    element = _id_only(folder)
    for name, value_of in _PROPERTIES:
        value = value_of(call, folder) if name in wanted else None
        if value is None:
            continue
        if name == "ParentFolderId":
            element.append(types(name, Id=write_id(folder.mailbox, value)))
        else:
            element.append(types(name, value))
    return element


def folder_id(folder: Folder) -> Element:
    key = identifiers.change_key(f"{folder.id} {folder.name} {folder.parent}", 0)
    identity = write_id(folder.mailbox, folder.id)
    return types("FolderId", Id=identity, ChangeKey=write_change_key(key))


def _id_only(folder: Folder) -> Element:
    return types(_ELEMENTS.get(folder.type.upper(), "Folder"), folder_id(folder))


def _shape(call: Call) -> frozenset[str]:
    """Names of the properties that the FolderShape asks for."""
    shape = call.required("FolderShape")
    base = text_of(shape, "BaseShape", "IdOnly")
    wanted = {"Default": _DEFAULT, "AllProperties": _ALL}.get(base, frozenset())
    more = child(shape, "AdditionalProperties")
    fields = [] if more is None else [one.get("FieldURI", "") for one in more]
    return wanted | {field.rpartition(":")[2] for field in fields}


def _value(call: Call, folder: Folder, path: Element) -> str | None:
    wanted = path.get("FieldURI", "").rpartition(":")[2]
    for name, value_of in _PROPERTIES:
        if name == wanted:
            return value_of(call, folder)
    raise EwsError("ErrorUnsupportedPathForQuery", f"{wanted} can't be searched for.")


def _page(call: Call, found: list[Folder]) -> Element:
    view = child(call.operation, "IndexedPageFolderView")
    start = int(view.get("Offset", "0")) if view is not None else 0
    size = int(view.get("MaxEntriesReturned", "1000")) if view is not None else len(found)
    shown = found[start : start + size]
    reached = start + len(shown)
    paging = {} if view is None else {"IndexedPagingOffset": str(reached)}
    return messages(
        "RootFolder",
        types("Folders", *(folder_element(call, folder) for folder in shown)),
        TotalItemsInView=str(len(found)),
        IncludesLastItemInRange=str(reached >= len(found)).lower(),
        **paging,
    )
