"""What there is: folders of a mailbox and items of a folder, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

from backups.sources.errors import (
    CursorExpired,
    Gone,
    NotPermitted,
    Refused,
    Retry,
    Unavailable,
)
from backups.sources.ews import cursors
from backups.sources.ews.answers import problem_of
from backups.sources.ews.problems import error_of
from backups.sources.ews.soap import distinguished, folder_id, m, shape, t, text
from backups.sources.ews.transport import Call, Transport
from backups.sources.interface import ChangePage, FolderPage, ItemChange, SourceFolder
from backups.sources.times import moment

PAGE = 512
"""Changes in one answer; Exchange gives no more."""
UNKNOWN_SIZE = 512 * 1024
"""Taken for the size of an item of which only the read flag is told."""

TOP = "msgfolderroot"
ARCHIVE = "archivemsgfolderroot"
ROOTS = (TOP, "recoverableitemsroot", ARCHIVE, "archiverecoverableitemsroot")
"""The trees of a mailbox; all but the first may be missing."""
_LOOK_AGAIN = timedelta(days=1)
"""How often it is asked which of the trees there are: an archive may come later."""

FOLDER_FIELDS = (
    "folder:ParentFolderId",
    "folder:DisplayName",
    "folder:FolderClass",
    "folder:TotalCount",
    "folder:DistinguishedFolderId",
)
ITEM_FIELDS = ("item:ItemClass", "item:Size", "item:LastModifiedTime")
_FOLDERS = "listing folders"
_ITEMS = "listing items"


@dataclass(frozen=True, slots=True)
class Listing:
    """Folders and items of mailboxes that can be synchronized, which public folders can't."""

    transport: Transport

    def folders(self, address: str, cursor: str | None) -> Iterator[FolderPage]:
        """All trees of the mailbox as one, the archive's below a folder of its own."""
        kept = cursors.read("folders", cursor) if cursor is not None else {}
        looked_at, states = moment(str(kept.get("looked", ""))), _texts(kept.get("states"))
        archive: tuple[SourceFolder, ...] = ()
        if looked_at is None or datetime.now(UTC) - looked_at > _LOOK_AGAIN or not states:
            found = self._roots(address)
            archive = tuple(folder for name, folder in found.items() if name == ARCHIVE)
            looked_at = datetime.now(UTC)
            states = {name: states.get(name, "") for name in found}

        def cursor_now() -> str:
            return cursors.write("folders", looked=looked_at.isoformat(), states=states)

        for name in sorted(states, key=ROOTS.index):
            try:
                for changed, removed, state in self._sync_tree(address, name, states[name]):
                    states[name] = state
                    yield FolderPage(archive + changed, removed, cursor_now(), complete=False)
                    archive = ()
            except Gone:
                # An archive that was disabled is no mailbox that is gone.
                if name == TOP:
                    raise
                del states[name]
        yield FolderPage((), (), cursor_now(), complete=True)

    def items(self, address: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        """Changes of one folder. A server that silently starts over is found out by an item that
        it already told: CursorExpired, so that nothing is taken for removed."""
        kept = cursors.read("items", cursor) if cursor is not None else {}
        sync_state, known = str(kept.get("state", "")), str(kept.get("witness", ""))
        witness, first = known, True
        while True:
            body = (
                "<m:SyncFolderItems>"
                f"{shape('ItemShape', *ITEM_FIELDS)}<m:SyncFolderId>{folder_id(folder)}"
                f"</m:SyncFolderId>{_sync_state(sync_state)}"
                f"<m:MaxChangesReturned>{PAGE}</m:MaxChangesReturned>"
                "<m:SyncScope>NormalItems</m:SyncScope></m:SyncFolderItems>"
            )
            message = self.transport.one(Call(body, _ITEMS, address))
            if not message.findtext(m("SyncState")):
                # Some servers answer so, with success, for a folder that is gone.
                self._count(address, folder)
            sync_state, last = _progress(message, "IncludesLastItemInRange", sync_state, _ITEMS)
            told = list(message.iterfind(f"{m('Changes')}/*"))
            if known and any(_creates(change, known) for change in told):
                raise CursorExpired(
                    f"{_ITEMS}: the server starts over without saying so; all items are listed"
                )
            if first and cursor is None and not told:
                held = self._count(address, folder)
                if held:
                    reason = f"the server lists nothing of a folder that holds {held} items"
                    raise Retry(f"{_ITEMS}: {reason}")
            changes = tuple(_change(change) for change in told)
            witness = _next_witness(changes, witness)
            # Within a round a server may repeat a page: the witness is for the next one.
            state = {"state": sync_state, "witness": witness if last else known}
            first = False
            yield ChangePage(changes, cursors.write("items", **state), last)
            if last:
                return

    def _roots(self, address: str) -> dict[str, SourceFolder]:
        ids = "".join(distinguished(name) for name in ROOTS)
        body = (
            f"<m:GetFolder>{shape('FolderShape', *FOLDER_FIELDS)}"
            f"<m:FolderIds>{ids}</m:FolderIds></m:GetFolder>"
        )
        _, messages = self.transport.messages(Call(body, _FOLDERS, address))
        if len(messages) != len(ROOTS):
            raise Unavailable(f"{_FOLDERS}: {len(messages)} answers to {len(ROOTS)} questions")
        found = {}
        for name, message in zip(ROOTS, messages, strict=True):
            problem = problem_of(message)
            if problem is None:
                root = message.find(f"{m('Folders')}/*")
                if root is not None:
                    found[name] = folder_of(root, well_known=name, top=True)
                continue
            error = error_of(problem, _FOLDERS)
            # A mailbox need not have an archive, and an account no right to look into it.
            if name == TOP or not isinstance(error, Gone | NotPermitted | Refused):
                raise error
        return found

    def _sync_tree(
        self, address: str, root: str, sync_state: str
    ) -> Iterator[tuple[tuple[SourceFolder, ...], tuple[str, ...], str]]:
        """(changed, removed, state to go on from) for each page of one tree."""
        while True:
            body = (
                f"<m:SyncFolderHierarchy>{shape('FolderShape', *FOLDER_FIELDS)}"
                f"<m:SyncFolderId>{distinguished(root)}</m:SyncFolderId>"
                f"{_sync_state(sync_state)}</m:SyncFolderHierarchy>"
            )
            message = self.transport.one(Call(body, _FOLDERS, address))
            sync_state, last = _progress(message, "IncludesLastFolderInRange", sync_state, _FOLDERS)
            changed, removed = [], []
            for change in message.iterfind(f"{m('Changes')}/*"):
                if change.tag == t("Delete"):
                    removed.append(_id(change.find(t("FolderId")), _FOLDERS))
                elif len(change) and change[0].tag != t("SearchFolder"):
                    changed.append(folder_of(change[0]))
            yield tuple(changed), tuple(removed), sync_state
            if last:
                return

    def _count(self, address: str, folder: str) -> int:
        """How many items the folder says it holds. Raises Gone."""
        body = (
            f"<m:GetFolder>{shape('FolderShape', 'folder:TotalCount')}"
            f"<m:FolderIds>{folder_id(folder)}</m:FolderIds></m:GetFolder>"
        )
        found = self.transport.one(Call(body, _ITEMS, address)).find(f"{m('Folders')}/*")
        if found is None:
            raise Gone(f"{_ITEMS}: the server shows no such folder")
        return number(found, "TotalCount")


def folder_of(
    element: Element, *, well_known: str | None = None, top: bool = False
) -> SourceFolder:
    parent = element.find(t("ParentFolderId"))
    return SourceFolder(
        _id(element.find(t("FolderId")), _FOLDERS),
        None if top or parent is None else parent.get("Id"),
        words(element, "DisplayName"),
        words(element, "FolderClass"),
        well_known or words(element, "DistinguishedFolderId") or None,
        number(element, "TotalCount"),
    )


def words(element: Element, name: str) -> str:
    """The text of a child, "" without one."""
    return element.findtext(t(name)) or ""


def number(element: Element, name: str) -> int:
    """The number in a child, 0 without one."""
    value = words(element, name)
    return int(value) if value.isascii() and value.isdigit() else 0


def item_of(element: Element) -> ItemChange:
    """A Message, CalendarItem or other item as a change."""
    identity = element.find(t("ItemId"))
    return ItemChange(
        _id(identity, _ITEMS),
        identity.get("ChangeKey", "") if identity is not None else "",
        words(element, "ItemClass"),
        number(element, "Size"),
        moment(words(element, "LastModifiedTime")),
    )


def _change(change: Element) -> ItemChange:
    if change.tag == t("Delete"):
        return ItemChange(_id(change.find(t("ItemId")), _ITEMS), removed=True)
    if change.tag == t("ReadFlagChange"):
        identity = change.find(t("ItemId"))
        key = identity.get("ChangeKey", "") if identity is not None else ""
        return ItemChange(_id(identity, _ITEMS), key, size=UNKNOWN_SIZE)
    if not len(change):
        raise Unavailable(f"{_ITEMS}: the server lists a change of nothing")
    return item_of(change[0])


def _creates(change: Element, item: str) -> bool:
    created = change.find(f"*/{t('ItemId')}") if change.tag == t("Create") else None
    return created is not None and created.get("Id") == item


def _next_witness(changes: tuple[ItemChange, ...], witness: str) -> str:
    """An item that is there, and that the server will therefore not call new again."""
    removed = {change.id for change in changes if change.removed}
    if witness and witness not in removed:
        return witness
    there = (change.id for change in changes if not change.removed and change.id not in removed)
    return next(there, "")


def _progress(message: Element, last_name: str, before: str, what: str) -> tuple[str, bool]:
    """(state to go on from, whether that was all)"""
    sync_state = message.findtext(m("SyncState")) or ""
    last = (message.findtext(m(last_name)) or "").strip().lower()
    if not sync_state or last not in ("true", "false", "1", "0"):
        raise Retry(f"{what}: the answer does not say where to go on from")
    whole = last in ("true", "1")
    if not whole and sync_state == before:
        raise Unavailable(f"{what}: the server goes round in circles")
    return sync_state, whole


def _sync_state(value: str) -> str:
    return f"<m:SyncState>{text(value)}</m:SyncState>" if value else ""


def _id(element: Element | None, what: str) -> str:
    identity = element.get("Id", "") if element is not None else ""
    if not identity:
        raise Unavailable(f"{what}: the server lists something without an id")
    return identity


def _texts(value: object) -> dict[str, str]:
    """Sync states by name of the tree; unknown names are of no use."""
    if not isinstance(value, dict):
        return {}
    return {
        name: state for name, state in value.items() if name in ROOTS and isinstance(state, str)
    }
