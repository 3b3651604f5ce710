"""An organization with mailboxes in Exchange Online and on its own server, as one MailboxSource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from backups.sources.ews.source import is_ews_mailbox
from backups.sources.interface import (
    ChangePage,
    ExportedItem,
    FolderPage,
    ItemChange,
    ItemReference,
    MailboxSource,
    PermissionState,
    SourceFolder,
    SourceGroup,
    SourceMailbox,
)


class HybridSource:
    """Each call goes to the system in which the mailbox lives; its id tells which that is.

    See MailboxSource for what each method promises.
    """

    def __init__(self, online: MailboxSource, server: MailboxSource) -> None:
        self._online = online
        self._server = server

    @property
    def requests(self) -> int:
        return self._online.requests + self._server.requests

    @property
    def throttled_seconds(self) -> float:
        return self._online.throttled_seconds + self._server.throttled_seconds

    def discover(self) -> Iterator[SourceMailbox]:
        return chain(self._online.discover(), self._server.discover())

    def groups(self) -> Iterator[SourceGroup]:
        return chain(self._online.groups(), self._server.groups())

    def members(self, group: str) -> Iterator[str]:
        """Of a group of the cloud's directory: the server lists none."""
        return self._online.members(group)

    def check(self) -> list[PermissionState]:
        return [*self._online.check(), *self._server.check()]

    def native(self, mailbox: str) -> bool:
        return self._of(mailbox).native(mailbox)

    def hierarchy(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        return self._of(mailbox).hierarchy(mailbox, cursor)

    def changes(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        return self._of(mailbox).changes(mailbox, folder, cursor)

    def export(self, mailbox: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        return self._of(mailbox).export(mailbox, wanted)

    def create_folder(self, mailbox: str, parent: str | None, name: str, kind: str) -> SourceFolder:
        return self._of(mailbox).create_folder(mailbox, parent, name, kind)

    def create(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        return self._of(mailbox).create(mailbox, folder, payload)

    def matching(self, mailbox: str, folder: str, message_id: str) -> list[ItemReference]:
        return self._of(mailbox).matching(mailbox, folder, message_id)

    def delete(self, mailbox: str, item: str, folder: str | None = None) -> None:
        self._of(mailbox).delete(mailbox, item, folder)

    def close(self) -> None:
        try:
            self._online.close()
        finally:
            self._server.close()

    def _of(self, mailbox: str) -> MailboxSource:
        return self._server if is_ews_mailbox(mailbox) else self._online
