"""SyncFolderHierarchy and SyncFolderItems: what changed since a state."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from xml.etree.ElementTree import Element

from sandbox.ews.call import Call, each
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.facts import Facts, item_id
from sandbox.ews.folders import folder_element
from sandbox.ews.ids import write_id
from sandbox.ews.shapes import Shape, read_shape
from sandbox.ews.xml import child, local_name, messages, text_of, types
from sandbox.faults import Kind
from sandbox.records import Change, Folder
from sandbox.sealing import Sealed

MAX_CHANGES = 512


@dataclass(frozen=True, slots=True)
class State:
    """What a state string stands for, as in a delta token of Graph: ``enumerated`` is the number
    of the last row of the first enumeration, None once that is over."""

    scope: str
    generation: int
    sequence: int
    enumerated: int | None


class States:
    """Writes and reads state strings."""

    def __init__(self, secret: str) -> None:
        self._sealed = Sealed(secret)

    def write(self, state: State) -> str:
        return self._sealed.write(json.dumps(asdict(state)).encode())

    def start(self, call: Call, scope: str) -> State:
        """The state that a request goes on from: a fresh one when it brings none.

        Raises EwsError ErrorInvalidSyncStateData for one that is damaged, of another folder, or
        older than ``Store.expire_delta_tokens``.
        """
        generation = call.store.directory(call.directory).generation
        text = text_of(call.operation, "SyncState")
        if not text or call.strikes(Kind.FORGOTTEN_STATE):
            # Read before the first row: what changes meanwhile comes twice rather than never.
            return State(scope, generation, call.store.last_change(), 0)
        try:
            state = State(**json.loads(self._sealed.read(text)))
        except (ValueError, TypeError) as error:
            raise EwsError("ErrorInvalidSyncStateData") from error
        expired = state.generation != generation or call.strikes(Kind.EXPIRED_STATE)
        if state.scope != scope or expired:
            raise EwsError("ErrorInvalidSyncStateData")
        return state


def sync_folder_hierarchy(call: Call, states: States) -> Element:
    """All folders below one, or below the mailbox's root, at once; later those that changed."""

    def answer(named: Element) -> Element:
        top = call.folder(_target(named))
        if call.is_public(top.mailbox):
            raise EwsError("ErrorSyncFolderNotFound", "Public folders are not synchronized.")
        state = states.start(call, f"folders:{top.mailbox}")
        below = call.below(top)
        if state.enumerated is not None:
            after, changes = state.sequence, [_created(call, folder) for folder in below]
        else:
            after, changes = _folder_changes(call, state, top, below)
        reached = State(state.scope, state.generation, after, None)
        return success_message(
            call.name,
            messages("SyncState", states.write(reached)),
            messages("IncludesLastFolderInRange", "true"),
            messages("Changes", *changes),
        )

    return each(call, _one(call), answer)


def sync_folder_items(call: Call, states: States) -> Element:
    """At most 512 changes of one folder."""
    shape = read_shape(call.required("ItemShape"), listing=True)
    named = child(call.operation, "Ignore")
    ignored = set() if named is None else {one.get("Id", "") for one in named}
    limit = int(text_of(call.operation, "MaxChangesReturned", "0"))
    if not 0 < limit <= MAX_CHANGES:
        raise EwsError("ErrorInvalidPagingMaxRows", f"MaxChangesReturned is 1 to {MAX_CHANGES}.")

    def answer(named: Element) -> Element:
        folder = _folder_to_sync(call, named)
        state = states.start(call, f"items:{folder.id}")
        if state.enumerated is not None:
            changes, reached, more = _first_items(call, state, folder, shape, limit)
        else:
            changes, reached, more = _item_changes(call, state, folder, shape, limit)
        changes = [change for change in changes if _id_of(change) not in ignored]
        return success_message(
            call.name,
            messages("SyncState", states.write(reached)),
            messages("IncludesLastItemInRange", str(not more).lower()),
            messages("Changes", *changes),
        )

    return each(call, _one(call), answer)


def _id_of(change: Element) -> str:
    return next((one.get("Id", "") for one in change.iter() if local_name(one) == "ItemId"), "")


def _folder_to_sync(call: Call, named: Element) -> Folder:
    try:
        folder = call.folder(_target(named))
    except EwsError as error:
        if error.code == "ErrorFolderNotFound":
            raise EwsError("ErrorSyncFolderNotFound") from error
        raise
    if call.is_public(folder.mailbox):
        raise EwsError("ErrorSyncFolderNotFound", "Public folders are not synchronized.")
    return folder


def _one(call: Call) -> list[Element]:
    """The single folder of the request: there is one message per folder."""
    found = child(call.operation, "SyncFolderId")
    if found is None:
        return [messages("SyncFolderId", types("DistinguishedFolderId", Id="root"))]
    return [found]


def _target(named: Element) -> Element:
    if not len(named):
        raise EwsError("ErrorSyncFolderNotFound")
    return named[0]


def _created(call: Call, folder: Folder) -> Element:
    return types("Create", folder_element(call, folder))


def _folder_changes(
    call: Call, state: State, top: Folder, below: list[Folder]
) -> tuple[int, list[Element]]:
    log = call.store.changes(state.scope, state.sequence, 1_000_000)
    ids = list(dict.fromkeys(change.id for change in log))
    first = call.store.first_changes(state.scope, ids)
    there = {folder.id: folder for folder in below}
    present = {folder.id for folder in call.store.folders(top.mailbox)}
    changes = []
    for identity in ids:
        if identity in there:
            kind = "Create" if first[identity] > state.sequence else "Update"
            changes.append(types(kind, folder_element(call, there[identity])))
        elif identity not in present:
            gone = types("FolderId", Id=write_id(top.mailbox, identity))
            changes.append(types("Delete", gone))
    return (log[-1].sequence if log else state.sequence), changes


_Page = tuple[list[Element], State, bool]


def _first_items(call: Call, state: State, folder: Folder, shape: Shape, limit: int) -> _Page:
    rows = call.store.items(folder.id, state.enumerated or 0, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    reached = State(
        state.scope, state.generation, state.sequence, rows[-1].number if more else None
    )
    changes = [types("Create", shape.element(Facts(call.store, item))) for item in rows]
    return changes, reached, more


def _item_changes(call: Call, state: State, folder: Folder, shape: Shape, limit: int) -> _Page:
    log = call.store.changes(state.scope, state.sequence, limit + 1)
    more = len(log) > limit
    log = log[:limit]
    by_id: dict[str, list[Change]] = {}
    for change in log:
        by_id.setdefault(change.id, []).append(change)
    ids = list(by_id)
    present = call.store.present_items(folder.id, ids) if ids else {}
    first = call.store.first_changes(state.scope, ids) if ids else {}
    changes = []
    for identity, entries in by_id.items():
        item = present.get(identity)
        if item is None:
            gone = types("ItemId", Id=write_id(folder.mailbox, identity))
            changes.append(types("Delete", gone))
        elif all(entry.read_only for entry in entries):
            read = str(Facts(call.store, item).record.is_read).lower()
            changes.append(types("ReadFlagChange", item_id(item), types("IsRead", read)))
        else:
            kind = "Create" if first[identity] > state.sequence else "Update"
            changes.append(types(kind, shape.element(Facts(call.store, item))))
    sequence = log[-1].sequence if log else state.sequence
    return changes, State(state.scope, state.generation, sequence, None), more
