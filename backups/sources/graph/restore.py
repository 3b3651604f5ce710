"""Writing to a mailbox: folders, items through an import session, look-up and delete."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pybase64

from backups.sources.errors import Gone, Refused, Unavailable
from backups.sources.graph.answers import folder_of, identity, text
from backups.sources.graph.archive import Abilities
from backups.sources.graph.problems import ExpectedElsewhere
from backups.sources.graph.references import ARCHIVE, RECOVERABLE, bare, in_archive, split
from backups.sources.graph.transport import Call, JsonObject, Transport, path, read_json
from backups.sources.interface import ItemReference, SourceFolder
from backups.sources.times import moment

_IMPORT_PERMISSION = "MailboxItem.ImportExport.All"
_EXPIRY_MARGIN = timedelta(minutes=2)
_DEFAULT_LIFETIME = timedelta(minutes=10)
_CHUNK = 3 * 256 * 1024
_MESSAGE_ID = "String 0x1035"


class Writer:
    """Writes to the mailboxes of one organization. Import sessions are shared by threads."""

    def __init__(self, transport: Transport, abilities: Abilities) -> None:
        self._transport = transport
        self._abilities = abilities
        self._sessions: dict[str, tuple[str, datetime]] = {}
        self._lock = threading.Lock()

    def create_folder(self, mailbox: str, parent: str | None, name: str, kind: str) -> SourceFolder:
        what = "creating a folder"
        mailbox, within = self._place(mailbox, parent)
        segments = ["admin", "exchange", "mailboxes", mailbox, "folders"]
        if within:
            segments += [within, "childFolders"]
        body: JsonObject = {"displayName": name}
        if kind:
            body["type"] = kind
        permission = "MailboxFolder.ReadWrite.All"
        target = path(*segments, version=self._version(mailbox))
        call = Call("POST", target, what, permission, mailbox, body=body, repeatable=False)
        folder = folder_of(self._transport.json(call), what)
        return replace(folder, id=ARCHIVE + folder.id) if in_archive(parent) else folder

    def create(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        mailbox, within = self._place(mailbox, folder)
        if not within:
            raise Refused("importing an item: it takes a folder of the archive, not the archive")
        try:
            created = self._import(mailbox, within, payload)
        except ExpectedElsewhere as elsewhere:
            created = self._import(elsewhere.mailbox, within, payload)
        except Refused as error:
            if not in_archive(folder):
                raise
            advice = "an archive may take no items: restore to a folder of the mailbox itself"
            raise Refused(f"{error}; {advice}") from error
        return replace(created, id=ARCHIVE + created.id) if in_archive(folder) else created

    def matching(self, mailbox: str, folder: str, message_id: str) -> list[ItemReference]:
        what = "looking for an item"
        mailbox, within = self._place(mailbox, folder)
        if not within:
            return []
        value = message_id.replace("'", "''")
        condition = (
            f"singleValueExtendedProperties/Any(ep: ep/id eq '{_MESSAGE_ID}'"
            f" and ep/value eq '{value}')"
        )
        segments = ("admin", "exchange", "mailboxes", mailbox, "folders", within, "items")
        query = {"$filter": condition, "$select": "id,changeKey"}
        target = path(*segments, query=query, version=self._version(mailbox))
        call = Call("GET", target, what, "MailboxItem.Read.All", mailbox)
        prefix = ARCHIVE if in_archive(folder) else ""
        return [
            ItemReference(prefix + identity(entity, what), text(entity, "changeKey"))
            for page in self._transport.pages(call, delta=False)
            for entity in page.entities
        ]

    def delete(self, mailbox: str, item: str, folder: str | None) -> None:
        if in_archive(item) and not folder:
            raise Refused("deleting an item: in an archive it takes the item's folder")
        mailbox, within = self._place(mailbox, folder)
        segments = ["admin", "exchange", "mailboxes", mailbox, "folders"]
        # The path wants a folder; ids of items are unique in a mailbox.
        segments += [within or "msgfolderroot", "items", bare(item)]
        query = {"disposalType": "softDelete"}
        target = path(*segments, query=query, version=self._version(mailbox))
        self._transport.nothing(
            Call("DELETE", target, "deleting an item", "MailboxItem.ReadWrite.All", mailbox)
        )

    def _place(self, mailbox: str, folder: str | None) -> tuple[str, str]:
        """(mailbox, folder) as Graph calls them; no folder for the top of either tree."""
        primary, archive = split(mailbox)
        if not in_archive(folder):
            return primary, folder or ""
        if not archive:
            raise Gone("the mailbox has no archive any more")
        return archive, "" if folder in (ARCHIVE, RECOVERABLE) else bare(folder or "")

    def _version(self, mailbox: str) -> str:
        """Whoever writes has listed the folders before, and knows which version lists them."""
        return self._abilities.order(mailbox)[0]

    def _import(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        head = json.dumps({"FolderId": folder, "Mode": "create"})[:-1].encode() + b', "Data": "'
        length = len(head) + -(-len(payload) // 3) * 4 + 2

        def content() -> Iterator[bytes]:
            yield head
            for start in range(0, len(payload), _CHUNK):
                yield pybase64.b64encode(payload[start : start + _CHUNK])
            yield b'"}'

        def prepare(_: Call) -> httpx.Request:
            return self._transport.request("POST", self._session(mailbox), content(), length)

        call = Call("POST", "", "importing an item", _IMPORT_PERMISSION, mailbox, repeatable=False)
        answer = self._transport.send(
            call, read_json, prepare=prepare, renew=lambda: self._sessions.pop(mailbox, None)
        )
        item = text(answer, "itemId")
        if not item:
            raise Unavailable("importing an item: the server does not say under which id")
        return ItemReference(item, text(answer, "changeKey"))

    def _session(self, mailbox: str) -> str:
        """The URL of an open import session. It is a secret: no message may show it."""
        with self._lock:
            url, expires_at = self._sessions.get(mailbox, ("", datetime.min.replace(tzinfo=UTC)))
            if datetime.now(UTC) + _EXPIRY_MARGIN > expires_at:
                url, expires_at = self._open_session(mailbox)
                self._sessions[mailbox] = url, expires_at
            return url

    def _open_session(self, mailbox: str) -> tuple[str, datetime]:
        what = "opening an import session"
        segments = ("admin", "exchange", "mailboxes", mailbox, "createImportSession")
        answer = self._transport.json(
            Call("POST", path(*segments), what, _IMPORT_PERMISSION, mailbox)
        )
        url = text(answer, "importUrl")
        if urlsplit(url).scheme != "https":
            raise Unavailable(f"{what}: the server gave no usable address")
        expires_at = moment(text(answer, "expirationDateTime"))
        return url, expires_at or datetime.now(UTC) + _DEFAULT_LIFETIME
