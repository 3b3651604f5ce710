"""The folder that a path names: in the mailbox itself, or where an archive keeps its items."""

from __future__ import annotations

from urllib.parse import quote

from sandbox.archives import ArchiveProfile
from sandbox.graph.call import Call
from sandbox.http import HttpError
from sandbox.records import Folder, Item, NotFound

V1 = "v1.0"


def listed_mailbox(call: Call) -> str:
    """The mailbox of a path that lists something. HttpError for an archive that v1.0 refuses."""
    mailbox = call.mailbox()
    profile = call.store.archive_profile(mailbox)
    if call.version == V1 and profile not in (None, ArchiveProfile.DOCUMENTED):
        raise HttpError(400, "ErrorInvalidRequest", "Archive mailboxes are not supported.")
    return mailbox


def writable_mailbox(call: Call) -> str:
    """The mailbox of a path that writes. HttpError for an archive that takes nothing."""
    mailbox = call.mailbox()
    if call.store.archive_profile(mailbox) not in (None, ArchiveProfile.DOCUMENTED):
        raise not_writable()
    return mailbox


def not_writable() -> HttpError:
    return HttpError(400, "ErrorInvalidOperation", "Operation on Archive mailbox not allowed.")


def folder_of(call: Call, key: str = "") -> Folder:
    """The folder of the path (or ``key``). Raises NotFound; HttpError 308 to where it is kept."""
    mailbox = listed_mailbox(call)
    key = key or call.names["folder"]
    if call.store.archive_profile(mailbox) is None:
        return call.store.folder(mailbox, key)
    archive = call.store.archive_behind(mailbox)
    folder = call.store.folder(archive or mailbox, key)
    if folder.id != key:
        message = "Well-known folder names aren't supported for archive mailboxes."
        raise HttpError(400, "ErrorInvalidArgument", message)
    auxiliary = call.store.auxiliary_of(folder.id)
    if archive and auxiliary != mailbox:
        raise NotFound(key)
    if auxiliary and auxiliary != mailbox:
        target = call.request.target.replace(quote(mailbox, safe=":@"), auxiliary)
        target = target.replace(quote(mailbox, safe=""), auxiliary)
        raise HttpError(308, "", "", {"Location": f"{call.request.base_url}{target}"})
    return folder


def exported_item(call: Call, mailbox: str, identity: str) -> Item | str:
    """An item of a mailbox, or the auxiliary mailbox that has it instead. Raises NotFound."""
    archive = call.store.archive_behind(mailbox)
    item = call.store.item(archive or mailbox, identity)
    auxiliary = call.store.auxiliary_of(item.folder)
    if archive and auxiliary != mailbox:
        raise NotFound(identity)
    return auxiliary if auxiliary and auxiliary != mailbox else item
