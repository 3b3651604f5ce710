"""An organization of Exchange Server as a MailboxSource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backups.sources.errors import Gone
from backups.sources.ews.directory import PUBLIC, Directory, ServerFacts
from backups.sources.ews.export import Export
from backups.sources.ews.listing import TOP, Listing
from backups.sources.ews.public import ROOT, PublicListing
from backups.sources.ews.restore import Writer
from backups.sources.ews.settings import EwsSettings
from backups.sources.ews.transport import BackOff, Transport
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


class EwsSource:
    """See MailboxSource for what each method promises. Nothing is asked before the first call.

    A mailbox's id is its address; with "public:" before it, it is the public folders as that
    mailbox sees them.
    """

    def __init__(self, settings: EwsSettings, back_off: BackOff | None = None) -> None:
        self._transport = Transport(settings, back_off)
        self._directory = Directory(settings, self._transport)
        self._listing = Listing(self._transport)
        self._public = PublicListing(self._transport)
        self._export = Export(self._transport)
        self._writer = Writer(self._transport)

    @property
    def requests(self) -> int:
        return self._transport.requests

    @property
    def throttled_seconds(self) -> float:
        """Seconds that the server asked for. Nothing waits in here: whoever gets Throttled does."""
        return self._transport.throttled_seconds

    def discover(self) -> Iterator[SourceMailbox]:
        """The addresses of the settings that have a mailbox, and the public folders."""
        return self._directory.mailboxes()

    def groups(self) -> Iterator[SourceGroup]:
        """None: EWS has no list of groups."""
        return iter(())

    def members(self, group: str) -> Iterator[str]:
        raise Gone(f"Exchange Server lists no groups, so there is no {group}")

    def check(self) -> list[PermissionState]:
        return self._directory.permissions()

    def server(self) -> ServerFacts:
        """Which server it is, for the person who connects it. Raises SourceError."""
        return self._directory.server(self._export)

    def native(self, mailbox: str) -> bool:
        return self._export.is_native(_address(mailbox))

    def hierarchy(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        listing = self._public if _is_public(mailbox) else self._listing
        return listing.folders(_address(mailbox), cursor)

    def changes(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        listing = self._public if _is_public(mailbox) else self._listing
        return listing.items(_address(mailbox), folder, cursor)

    def export(self, mailbox: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        return self._export.run(_address(mailbox), wanted)

    def create_folder(self, mailbox: str, parent: str | None, name: str, kind: str) -> SourceFolder:
        top = ROOT if _is_public(mailbox) else TOP
        return self._writer.create_folder(_address(mailbox), parent, name, kind, top)

    def create(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        return self._writer.create(_address(mailbox), folder, payload)

    def matching(self, mailbox: str, folder: str, message_id: str) -> list[ItemReference]:
        return self._writer.matching(_address(mailbox), folder, message_id)

    def delete(self, mailbox: str, item: str, folder: str | None = None) -> None:
        self._writer.delete(_address(mailbox), item)

    def close(self) -> None:
        self._transport.close()


def is_ews_mailbox(mailbox: str) -> bool:
    """Whether an id is one that EwsSource gives: an SMTP address, which has no colon, or public
    folders. Graph's ids begin with "MBX:"."""
    return _is_public(mailbox) or (":" not in mailbox and "@" in mailbox)


def _is_public(mailbox: str) -> bool:
    return mailbox.startswith(PUBLIC)


def _address(mailbox: str) -> str:
    return mailbox.removeprefix(PUBLIC)
