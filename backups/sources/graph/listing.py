"""What there is: mailboxes of the directory, folders of a mailbox, items of a folder.

A mailbox and its archive are one tree, the archive's part below a folder of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from backups.sources.errors import Gone, NotPermitted, Refused, SourceError
from backups.sources.graph.answers import change_of, folder_of, identity, text
from backups.sources.graph.archive import NOT_THERE, ArchiveListing
from backups.sources.graph.references import (
    ARCHIVE,
    RECOVERABLE,
    bare,
    in_archive,
    read,
    split,
    write,
)
from backups.sources.graph.transport import (
    BETA,
    VERSION,
    Call,
    JsonObject,
    Transport,
    path,
    resumed,
)
from backups.sources.interface import ChangePage, FolderPage, SourceMailbox

logger = logging.getLogger(__name__)

_USERS = {"$select": "id,userPrincipalName,mail,displayName,accountEnabled,userType"}
_ITEMS = {"$select": "id,changeKey,size,type,lastModifiedDateTime"}
_PAGE = {"Prefer": "odata.maxpagesize=500"}
_AT_ONCE = 4
_TREES, _NOTHING = "trees", "nothing"
_ARCHIVE_ID = "inPlaceArchiveMailboxId"
_KINDS = frozenset({"user", "linked", "shared", "room", "equipment", "others"})


@dataclass(frozen=True, slots=True)
class Listing:
    """Reads collections of one organization."""

    transport: Transport
    archives: ArchiveListing

    def mailboxes(self) -> Iterator[SourceMailbox]:
        """Every user of the directory who has a mailbox."""
        call = Call("GET", path("users", "delta", query=_USERS), "listing users", "User.Read.All")
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="discover") as pool:
            for page in self.transport.pages(call, delta=True):
                users = [user for user in page.entities if "@removed" not in user]
                for mailbox in pool.map(self._mailbox, users):
                    if mailbox:
                        yield mailbox

    def folders(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        primary, archive = split(mailbox)
        kept: JsonObject = {"primary": cursor}
        if cursor is not None and not cursor.startswith("/"):
            kept = read(_TREES, cursor)
        known = kept.get("primary")
        pages = self._primary(primary, None if known is None else str(known))
        if not archive:
            yield from pages
            return
        state = kept.get("archive")
        for page in pages:
            primary_cursor = page.cursor
            both = write(_TREES, primary=primary_cursor, archive=state)
            yield replace(page, cursor=both, complete=False)
        yield from self._archived(archive, state, primary_cursor)

    def _archived(self, archive: str, state: object, primary: str) -> Iterator[FolderPage]:
        """The archive's pages, the last of the round. An archive that can't be listed is a
        warning: it holds up no other folder."""
        try:
            for folders, removed, after in self.archives.folders(
                archive, state if isinstance(state, dict) else None
            ):
                state = after
                cursor = write(_TREES, primary=primary, archive=state)
                yield FolderPage(tuple(folders), tuple(removed), cursor, complete=False)
            warning = ""
        except NOT_THERE as error:
            warning = f"The archive could not be read: {error}"
        yield FolderPage((), (), write(_TREES, primary=primary, archive=state), True, warning)

    def _archived_items(
        self, archive: str, folder: str, cursor: str | None
    ) -> Iterator[ChangePage]:
        """As of any folder, but one that the archive refuses to list is a warning."""
        if cursor == write(_NOTHING):
            cursor = None
        try:
            for page in self.archives.items(archive, folder, cursor):
                cursor = page.cursor
                yield page
        except (Refused, NotPermitted) as error:
            warning = f"A folder of the archive could not be read: {error}"
            yield ChangePage((), cursor or write(_NOTHING), True, warning)

    def _primary(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        what, permission = "listing folders", "MailboxFolder.Read.All"
        start = path("admin", "exchange", "mailboxes", mailbox, "folders", "delta")
        target = resumed(cursor, start)
        call = Call("GET", target, what, permission, mailbox, headers=_PAGE, cursor=bool(cursor))
        for page in self.transport.pages(call, delta=True):
            yield FolderPage(
                tuple(folder_of(one, what) for one in page.entities if "@removed" not in one),
                tuple(identity(one, what) for one in page.entities if "@removed" in one),
                page.cursor,
                page.complete,
            )

    def items(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        mailbox, archive = split(mailbox)
        if in_archive(folder):
            if not archive:
                raise Gone("listing items: the mailbox has no archive any more")
            if folder in (ARCHIVE, RECOVERABLE):
                yield ChangePage((), write(_NOTHING), complete=True)
            else:
                yield from self._archived_items(archive, bare(folder), cursor)
            return
        what, permission = "listing items", "MailboxItem.Read.All"
        segments = ("admin", "exchange", "mailboxes", mailbox, "folders", folder, "items", "delta")
        call = Call(
            "GET",
            resumed(cursor, path(*segments, query=_ITEMS)),
            what,
            permission,
            mailbox,
            headers=_PAGE,
            cursor=bool(cursor),
        )
        for page in self.transport.pages(call, delta=True):
            changes = tuple(change_of(one, what) for one in page.entities)
            yield ChangePage(changes, page.cursor, page.complete)

    def _mailbox(self, user: JsonObject) -> SourceMailbox | None:
        person = identity(user, "listing users")
        try:
            settings = self._exchange_settings(person)
        except Gone:
            return None
        mailbox = text(settings, "primaryMailboxId")
        if not mailbox:
            return None
        archive = text(settings, _ARCHIVE_ID) if _ARCHIVE_ID in settings else None
        address = text(user, "mail") or text(user, "userPrincipalName")
        name, kind = text(user, "displayName"), self._kind(person)
        return SourceMailbox(mailbox, address, name, kind, archive)

    def _exchange_settings(self, person: str) -> JsonObject:
        """Which mailboxes somebody has. v1.0 names the archive of some organizations only, beta by
        its schema: once that is known, beta is asked first."""
        abilities = self.archives.abilities
        if abilities.settings == BETA:
            try:
                return self._settings(person, BETA)
            except (Refused, NotPermitted) as error:
                logger.warning("beta does not say who has an archive: %s", error)
        settings = self._settings(person, VERSION)
        if _ARCHIVE_ID not in settings:
            try:
                settings = self._settings(person, BETA)
                abilities.settings = BETA
            except SourceError as error:
                logger.warning("it is not known who has an archive: %s", error)
        return settings

    def _settings(self, person: str, version: str) -> JsonObject:
        target = path("users", person, "settings", "exchange", version=version)
        call = Call("GET", target, "reading a user's mailbox id", "User.Read.All")
        return self.transport.json(call)

    def _kind(self, person: str) -> str:
        call = Call(
            "GET",
            path("users", person, "mailboxSettings", query={"$select": "userPurpose"}),
            "reading what a mailbox is for",
            "MailboxSettings.Read",
        )
        try:
            purpose = text(self.transport.json(call), "userPurpose")
        except (NotPermitted, Gone):
            # The purpose is for people to read; that it may not be read stops no backup.
            return "unknown"
        return purpose if purpose in _KINDS else "unknown"
