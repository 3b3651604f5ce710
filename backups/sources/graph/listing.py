"""What there is: mailboxes of the directory, folders of a mailbox, items of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backups.sources.errors import Gone, NotPermitted
from backups.sources.graph.answers import change_of, folder_of, identity, text
from backups.sources.graph.transport import Call, JsonObject, Transport, path, resumed
from backups.sources.interface import ChangePage, FolderPage, SourceMailbox

_USERS = {"$select": "id,userPrincipalName,mail,displayName,accountEnabled,userType"}
_ITEMS = {"$select": "id,changeKey,size,type,lastModifiedDateTime"}
_PAGE = {"Prefer": "odata.maxpagesize=500"}
_AT_ONCE = 4
_KINDS = frozenset({"user", "linked", "shared", "room", "equipment", "others"})


@dataclass(frozen=True, slots=True)
class Listing:
    """Reads collections of one organization."""

    transport: Transport

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
        call = Call(
            "GET",
            path("users", person, "settings", "exchange"),
            "reading a user's mailbox id",
            "User.Read.All",
        )
        try:
            mailbox = text(self.transport.json(call), "primaryMailboxId")
        except Gone:
            return None
        if not mailbox:
            return None
        address = text(user, "mail") or text(user, "userPrincipalName")
        return SourceMailbox(mailbox, address, text(user, "displayName"), self._kind(person))

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
