"""Bringing items back: read from the repository, check, look for a twin, create, read back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from backups import streams
from backups.catalog.projection import references_context
from backups.repository import Locate, RepositoryError, Vault, decode_references
from backups.sources import (
    Damaged,
    Gone,
    ItemChange,
    MailboxSource,
    Payload,
    Refused,
    SourceFolder,
)

DEFAULT_KIND = "IPF.Note"
ROOT_NAMES = frozenset({"msgfolderroot", "root"})


class Outcome(enum.StrEnum):
    RESTORED = "restored"
    MERGED = "merged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item version to bring back. ``sealed`` are its references."""

    item_id: str
    change_key: str
    folder_id: str
    message_id: str
    sha256: bytes
    sealed: bytes
    target_folder: str


@dataclass(frozen=True, slots=True)
class Result:
    outcome: Outcome
    restored_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder as the catalog knew it, to make it again where it is gone."""

    id: str
    parent_id: str
    name: str
    kind: str
    well_known: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where the bytes of an item version are: its sealed references, and what they must hash to."""

    item_id: str
    change_key: str
    sha256: bytes
    references: bytes


def read_stored(vault: Vault, locate: Locate, mailbox_id: UUID, item: Sealed) -> bytes:
    """The exact bytes of an item. Raises RepositoryError, ValueError when they can't be had."""
    context = references_context(item.item_id, item.change_key)
    opened = vault.unseal(mailbox_id, context, item.references)
    recipe, refs = decode_references(opened)
    return vault.read_item(recipe, refs, item.sha256, locate)


class MailboxRestore:
    """Restores into one mailbox. Errors that concern the whole mailbox are raised."""

    def __init__(
        self,
        *,
        source: MailboxSource,
        target: str,
        mailbox_id: UUID,
        vault: Vault,
        locate: Locate,
        folders: Mapping[str, StoredFolder],
    ) -> None:
        self._source = source
        self._target = target
        self._mailbox_id = mailbox_id
        self._vault = vault
        self._locate = locate
        self._stored = folders
        self._present: dict[str, SourceFolder] = {}
        self._made: dict[str, str] = {}

    def open(self) -> None:
        """List the folders that the mailbox has now. Raises SourceError."""
        for page in self._source.hierarchy(self._target, None):
            self._present.update({folder.id: folder for folder in page.folders})

    def bring_back(self, wanted: Wanted) -> Result:
        """Restore one item. A problem of this item alone is its result, not an error.

        Raises SourceError when the mailbox cannot be written to, or is being throttled.
        """
        try:
            payload = self._in_form(self._read(wanted))
        except (RepositoryError, streams.StreamError, ValueError) as error:
            return Result(Outcome.FAILED, reason=f"Not readable in the repository: {error}")
        try:
            return self._create_unless_there(wanted, payload)
        except (Refused, Damaged, Gone) as error:
            return Result(Outcome.FAILED, reason=f"The server refused it: {error}")

    def _create_unless_there(self, wanted: Wanted, payload: bytes) -> Result:
        folder = self._folder_for(wanted)
        if wanted.message_id:
            twins = self._source.matching(self._target, folder, wanted.message_id)
            if twins:
                return Result(
                    Outcome.MERGED, twins[0].id, "An item with its message id is there already."
                )
        created = self._source.create(self._target, folder, payload)
        return self._read_back(created.id, payload)

    def _read(self, wanted: Wanted) -> bytes:
        payload = read_stored(
            self._vault,
            self._locate,
            self._mailbox_id,
            Sealed(wanted.item_id, wanted.change_key, wanted.sha256, wanted.sealed),
        )
        # What is whole and not understood here was stored, and goes back as it came.
        with suppress(streams.StreamUnknown):
            streams.open_item(payload).check()
        return payload

    def _in_form(self, payload: bytes) -> bytes:
        """The item as this system takes it: a native stream, or MIME where it has none.

        Raises SourceError, and StreamError for an item that can't be written so.
        """
        if self._source.native(self._target):
            return streams.native_form(payload)
        return streams.mime_form(payload)

    def _read_back(self, item_id: str, payload: bytes) -> Result:
        """The server's copy must say the same as ours, apart from what a server rewrites."""
        change = ItemChange(
            id=item_id,
            change_key="",
            item_class="",
            size=len(payload),
            modified_at=None,
            removed=False,
        )
        for exported in self._source.export(self._target, [change]):
            if exported.payload is None:
                reason = f"Created, but it could not be read back: {exported.error}"
                return Result(Outcome.FAILED, item_id, reason)
            try:
                same = _digest(exported.payload) == _digest(payload)
            except streams.StreamUnknown as unknown:
                reason = f"Created; the server's copy could not be compared: {unknown}"
                return Result(Outcome.RESTORED, item_id, reason)
            except streams.StreamError as error:
                return Result(Outcome.FAILED, item_id, f"Created, but damaged: {error}")
            if same:
                return Result(Outcome.RESTORED, item_id)
        return Result(Outcome.FAILED, item_id, "Created, but the server's copy differs.")

    def _folder_for(self, wanted: Wanted) -> str:
        if wanted.target_folder:
            return self._own_folder(wanted.target_folder)
        return self._original_folder(wanted.folder_id)

    def _own_folder(self, name: str) -> str:
        """A folder of this name below the mailbox's root, made when it is not there."""
        if name not in self._made:
            self._made[name] = self._named(None, name) or self._create(None, name, DEFAULT_KIND)
        return self._made[name]

    def _original_folder(self, folder_id: str) -> str:
        """The folder itself; a special folder by its role; else one made again by its path."""
        if folder_id in self._present:
            return folder_id
        if folder_id in self._made:
            return self._made[folder_id]
        stored = self._stored.get(folder_id)
        if stored is None:
            raise Gone("The folder it came from is not known any more; choose another folder.")
        same_role = [
            folder.id
            for folder in self._present.values()
            if stored.well_known and folder.well_known == stored.well_known
        ]
        if same_role:
            self._made[folder_id] = same_role[0]
        else:
            self._made[folder_id] = self._again(stored)
        return self._made[folder_id]

    def _again(self, stored: StoredFolder) -> str:
        parent = None
        if stored.parent_id in self._stored or stored.parent_id in self._present:
            parent = self._original_folder(stored.parent_id)
        found = self._named(parent, stored.name)
        return found or self._create(parent, stored.name, stored.kind or DEFAULT_KIND)

    def _named(self, parent: str | None, name: str) -> str | None:
        """The folder of this name there; to a server, case makes no other name."""
        for folder in self._present.values():
            here = folder.parent_id == parent if parent else self._is_top(folder)
            if here and folder.name.casefold() == name.casefold():
                return folder.id
        return None

    def _create(self, parent: str | None, name: str, kind: str) -> str:
        try:
            folder = self._source.create_folder(self._target, parent, name, kind)
        except Refused:
            # Somebody else may have made it since the folders were listed.
            self.open()
            found = self._named(parent, name)
            if found is None:
                raise
            return found
        self._present[folder.id] = folder
        return folder.id

    def _is_top(self, folder: SourceFolder) -> bool:
        parent = self._present.get(folder.parent_id or "")
        return parent is None or (parent.well_known or "") in ROOT_NAMES


def _digest(payload: Payload) -> bytes:
    return streams.open_item(payload).digest()
