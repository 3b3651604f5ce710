"""Which mailboxes there are, what the service account may, and what server it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backups.sources.errors import Gone, NotPermitted
from backups.sources.ews.answers import problem_of
from backups.sources.ews.export import Export
from backups.sources.ews.listing import words
from backups.sources.ews.problems import IMPERSONATION, error_of
from backups.sources.ews.settings import EwsSettings
from backups.sources.ews.soap import distinguished, shape, t, text
from backups.sources.ews.transport import Call, Transport
from backups.sources.interface import PermissionState, SourceMailbox

PUBLIC = "public:"
"""Before the address of the mailbox through which public folders are read."""

_FOUND = frozenset({"ErrorNameResolutionMultipleResults"})
_NOT_FOUND = "ErrorNameResolutionNoResults"
_PRODUCTS = (
    ("15.20.", "Exchange Online"),
    ("15.2.", "Exchange Server 2019 or Subscription Edition"),
    ("15.1.", "Exchange Server 2016"),
    ("15.0.", "Exchange Server 2013"),
    ("14.", "Exchange Server 2010"),
)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """``version`` such as "15.2.1544.4". ``native``: it has ExportItems and UploadItems; without
    them items are kept as MIME, with less of what they are."""

    version: str
    product: str
    native: bool


@dataclass(frozen=True, slots=True)
class Directory:
    settings: EwsSettings
    transport: Transport

    def mailboxes(self) -> Iterator[SourceMailbox]:
        """Those of the addresses that have a mailbox, each asked for as itself."""
        for address in dict.fromkeys(one.strip().lower() for one in self.settings.addresses):
            mailbox = self._resolved(address)
            if mailbox:
                yield mailbox
        through = self.settings.public_folders_through.strip().lower()
        if through:
            yield SourceMailbox(f"{PUBLIC}{through}", through, "Public folders", "public")

    def permissions(self) -> list[PermissionState]:
        """Signs in anew and opens a mailbox as its owner."""
        self.transport.sign_in_anew()
        granted = True
        try:
            self._open(self._any_address())
        except NotPermitted as error:
            if error.permission != IMPERSONATION:
                raise
            granted = False
        purpose = "open mailboxes to back up and restore"
        return [PermissionState(IMPERSONATION, granted, self.settings.impersonation, purpose)]

    def server(self, export: Export) -> ServerFacts:
        native = export.is_native(self._any_address())
        version = self.transport.server_version
        names = (name for start, name in _PRODUCTS if version.startswith(start))
        return ServerFacts(version, next(names, "a server of unknown version"), native)

    def _any_address(self) -> str:
        known = (*self.settings.addresses, self.settings.public_folders_through)
        return next((one.strip().lower() for one in known if one.strip()), "")

    def _open(self, address: str) -> None:
        content = (
            f"<m:GetFolder>{shape('FolderShape')}<m:FolderIds>{distinguished('inbox')}"
            "</m:FolderIds></m:GetFolder>"
        )
        self.transport.one(Call(content, "opening a mailbox", address))

    def _resolved(self, address: str) -> SourceMailbox | None:
        what = "looking up an address"
        content = (
            '<m:ResolveNames ReturnFullContactData="false" SearchScope="ActiveDirectory">'
            f"<m:UnresolvedEntry>smtp:{text(address)}</m:UnresolvedEntry></m:ResolveNames>"
        )
        try:
            _, (message, *_) = self.transport.messages(Call(content, what, address))
        except Gone:
            return None
        except NotPermitted as error:
            if error.permission != IMPERSONATION:
                raise
            # It is there, and its backup says what is missing.
            return SourceMailbox(address, address, address, "unknown")
        problem = problem_of(message)
        if problem and problem.code == _NOT_FOUND:
            return None
        if problem and problem.code not in _FOUND:
            raise error_of(problem, what)
        found = message.iterfind(f".//{t('Resolution')}/{t('Mailbox')}")
        matching = (one for one in found if words(one, "EmailAddress").lower() == address)
        return _mailbox(next(matching, None), address)


def _mailbox(element: Element | None, address: str) -> SourceMailbox | None:
    if element is None or words(element, "MailboxType") not in ("Mailbox", ""):
        return None
    return SourceMailbox(address, address, words(element, "Name") or address, "unknown")
