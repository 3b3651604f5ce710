"""A sandbox for tests and demos: one object that starts, fills, breaks and stops it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.application import Application
from sandbox.archives import ArchiveProfile
from sandbox.certificate import server_context, trust_pem
from sandbox.faults import Faults
from sandbox.items import from_mail
from sandbox.records import Directory, Group, Item, User
from sandbox.registration import (
    ALL_ROLES,
    Registration,
    ServerRegistration,
    register,
    register_server_account,
)
from sandbox.server import TlsServer
from sandbox.store import Store

STORE_NAME = "exchange.sqlite"


class Sandbox:
    """A running sandbox on a free port of the loopback address, in a thread of this process.

    Without ``folder`` it keeps its data in a temporary one, which goes when it is closed. Use it
    as a context manager, or call ``close``.
    """

    def __init__(self, folder: Path | None = None, port: int = 0) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="sandbox-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.trust_pem = trust_pem(self.folder)
        self.store = Store(self.folder / STORE_NAME)
        self.faults = Faults()
        self.application = Application(self.store, self.faults)
        self._server = TlsServer(port, server_context(self.folder), self.application.answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; open connections end with their threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.store.close()
        if self._temporary:
            self._temporary.cleanup()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def graph_url(self) -> str:
        return self.url

    @property
    def ews_url(self) -> str:
        return f"{self.url}/EWS/Exchange.asmx"

    @property
    def autodiscover_url(self) -> str:
        return f"{self.url}/autodiscover/autodiscover.svc"

    @property
    def authority(self) -> str:
        return self.url

    def add_organization(self, domain: str, name: str = "") -> Directory:
        """An organization without people; found again by its domain."""
        return self.store.add_directory(name or domain.partition(".")[0].title(), domain)

    def register(self, domain: str, roles: tuple[str, ...] = ALL_ROLES) -> Registration:
        """A fresh application in an organization, with what a client needs to connect as it."""
        return register(self.store, domain, url=self.url, trust_pem=self.trust_pem, roles=roles)

    def register_server_account(
        self, domain: str, name: str = "stowage", *, impersonates: bool = True
    ) -> ServerRegistration:
        """An account at an organization's own Exchange Server, and how to reach it as that."""
        account = register_server_account(self.store, domain, name, impersonates=impersonates)
        return ServerRegistration(
            self.ews_url, f"{name}@{domain}", account.password, self.trust_pem
        )

    def add_mailbox(
        self, address: str, name: str = "", kind: str = "user", *, on_server: bool = False
    ) -> User:
        """A mailbox of the organization that has the address's domain; created when missing.

        ``on_server``: on the organization's own Exchange Server, which only EWS reaches.
        """
        local, _, domain = address.partition("@")
        directory = self.add_organization(domain)
        user = self.store.add_user(directory.id, address, name or local.title(), kind)
        if on_server and user.mailbox:
            self.store.move_mailbox(user.mailbox, to_server=True)
        return user

    def add_group(self, domain: str, name: str, *members: User | Group) -> Group:
        """A group of people and groups of the organization."""
        group = self.store.add_group(self.add_organization(domain).id, name)
        self.store.put_members(group, members)
        return group

    def add_archive(self, address: str, profile: ArchiveProfile = ArchiveProfile.OBSERVED) -> str:
        """The mailbox id of a new archive of somebody; in the cloud or on the server as theirs."""
        archive = self.store.add_archive(self.store.user(address))
        self.store.set_archive_profile(archive, profile)
        return archive

    def expand_archive(self, address: str, folder: str) -> str:
        """Let an auxiliary mailbox (its id) hold the items of a folder, given by its path."""
        archive = self.store.archive_of(self.store.user(address).mailbox or "") or ""
        return self.store.expand_folder(self.store.folder_at(archive, folder))

    def add_public_folders(self, domain: str) -> str:
        """The mailbox id of an organization's public folders, on its server."""
        return self.store.add_public_folders(self.add_organization(domain).id)

    def move_mailbox(self, address: str, *, to_server: bool) -> None:
        """Move a mailbox and its archive to the server, or to the cloud."""
        self.store.move_mailbox(self.store.user(address).mailbox or "", to_server=to_server)

    def set_bulk_transfer(self, domain: str, *, supported: bool) -> None:
        """Whether the organization's server knows ExportItems and UploadItems; it does at first."""
        self.store.set_bulk_transfer(self.add_organization(domain).id, supported=supported)

    def add_mail(
        self, address: str, folder: str, raw_mime: bytes, *, archive: bool = False
    ) -> Item:
        """Put a message into a folder, given by its path (``Inbox/Projects``).

        ``archive``: of the archive mailbox. Raises ValueError for a mailbox that is not there.
        """
        mailbox = self.store.user(address).mailbox
        if archive and mailbox:
            mailbox = self.store.archive_of(mailbox)
        if mailbox is None:
            raise ValueError(f"{address} has no such mailbox")
        target = self.store.folder_at(mailbox, folder)
        return self.store.add_item(mailbox, target.id, from_mail(raw_mime))

    def add_public_mail(self, domain: str, folder: str, raw_mime: bytes) -> Item:
        """Put a message into a public folder, given by its path; made when it is missing."""
        mailbox = self.add_public_folders(domain)
        target = self.store.folder_at(mailbox, folder, "publicfoldersroot")
        return self.store.add_item(mailbox, target.id, from_mail(raw_mime))
