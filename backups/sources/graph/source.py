"""An organization of Exchange Online as a MailboxSource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backups.sources.graph.archive import Abilities, ArchiveListing
from backups.sources.graph.export import export
from backups.sources.graph.groups import GroupListing
from backups.sources.graph.listing import Listing
from backups.sources.graph.permissions import permission_states
from backups.sources.graph.restore import Writer
from backups.sources.graph.settings import GraphSettings, Patience
from backups.sources.graph.transport import Call, Transport, path
from backups.sources.interface import (
    ChangePage,
    ExportedItem,
    FolderPage,
    ItemChange,
    ItemReference,
    PermissionState,
    SourceFolder,
    SourceGroup,
    SourceMailbox,
)
from backups.sources.pacing import Gate
from backups.sources.tokens import roles_in


class GraphSource:
    """See MailboxSource for what each method promises. Nothing is asked before the first call."""

    def __init__(
        self, settings: GraphSettings, patience: Patience | None = None, gate: Gate | None = None
    ) -> None:
        self._transport = Transport(settings, patience or Patience(), gate)
        abilities = Abilities()
        self._listing = Listing(self._transport, ArchiveListing(self._transport, abilities))
        self._groups = GroupListing(self._transport)
        self._writer = Writer(self._transport, abilities)

    @property
    def requests(self) -> int:
        return self._transport.requests

    @property
    def throttled_seconds(self) -> float:
        return self._transport.throttled_seconds

    def discover(self) -> Iterator[SourceMailbox]:
        return self._listing.mailboxes()

    def groups(self) -> Iterator[SourceGroup]:
        return self._groups.groups()

    def members(self, group: str) -> Iterator[str]:
        return self._groups.members(group)

    def check(self) -> list[PermissionState]:
        """As promised; proves by a call that the directory answers to the token."""
        granted = roles_in(self._transport.fresh_token())
        if "User.Read.All" in granted:
            target = path("organization")
            self._transport.json(Call("GET", target, "reading the organization", "User.Read.All"))
        return permission_states(granted)

    def native(self, mailbox: str) -> bool:
        return True

    def hierarchy(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        return self._listing.folders(mailbox, cursor)

    def changes(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        return self._listing.items(mailbox, folder, cursor)

    def export(self, mailbox: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        return export(self._transport, mailbox, wanted)

    def create_folder(self, mailbox: str, parent: str | None, name: str, kind: str) -> SourceFolder:
        return self._writer.create_folder(mailbox, parent, name, kind)

    def create(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        return self._writer.create(mailbox, folder, payload)

    def matching(self, mailbox: str, folder: str, message_id: str) -> list[ItemReference]:
        return self._writer.matching(mailbox, folder, message_id)

    def delete(self, mailbox: str, item: str, folder: str | None = None) -> None:
        self._writer.delete(mailbox, item, folder)

    def close(self) -> None:
        self._transport.close()
