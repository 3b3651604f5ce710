"""Which path does what, and which application permission it asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.faults import Faults
from sandbox.graph import directory, groups, mailboxes, transfer
from sandbox.graph.batch import batch
from sandbox.graph.call import Call
from sandbox.graph.odata import DeltaTokens
from sandbox.http import HttpError, Request, Response
from sandbox.records import Conflict, NotFound
from sandbox.store import Store
from sandbox.tokens import Authority, Caller

_USER_READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All")
_FOLDER_READ = ("MailboxFolder.Read.All", "MailboxFolder.ReadWrite.All")
_ITEM_READ = ("MailboxItem.Read.All", "MailboxItem.ReadWrite.All")
_GROUP_READ = ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All")
_MAILBOX = "admin/exchange/mailboxes/{mailbox}"
_FOLDER = f"{_MAILBOX}/folders/{{folder}}"


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` has variables in braces; any one of ``permissions`` is enough."""

    method: str
    path: str
    permissions: tuple[str, ...]
    handler: Callable[[Call], Response]

    def match(self, method: str, segments: Sequence[str]) -> dict[str, str] | None:
        pattern = self.path.split("/")
        if method != self.method or len(pattern) != len(segments):
            return None
        names = {}
        for wanted, given in zip(pattern, segments, strict=True):
            if wanted.startswith("{"):
                names[wanted[1:-1]] = given
            elif wanted.lower() != given.lower():
                return None
        return names


# The permissions are those of microsoft-graph-devx-content's permissions.json, application scheme.
# A path with a literal stands before the one that has a variable in its place.
ROUTES = (
    Route(
        "GET",
        "organization",
        ("Organization.Read.All", "User.Read.All", "Directory.Read.All"),
        directory.organization,
    ),
    Route("GET", "users/delta", _USER_READ, directory.users_delta),
    Route("GET", "users", _USER_READ, directory.users),
    Route("GET", "users/{user}", _USER_READ, directory.user),
    Route("GET", "users/{user}/settings/exchange", _USER_READ, directory.exchange_settings),
    Route(
        "GET",
        "users/{user}/mailboxSettings",
        ("MailboxSettings.Read", "MailboxSettings.ReadWrite"),
        directory.mailbox_settings,
    ),
    Route("GET", "groups/delta", _GROUP_READ, groups.groups_delta),
    Route("GET", "groups", _GROUP_READ, groups.groups),
    Route("GET", "groups/{group}/members", _GROUP_READ, groups.members),
    Route(
        "GET",
        "groups/{group}/transitiveMembers",
        ("Directory.Read.All",),
        groups.transitive_members,
    ),
    Route("GET", f"{_MAILBOX}/folders/delta", _FOLDER_READ, mailboxes.folders_delta),
    Route("GET", f"{_MAILBOX}/folders", _FOLDER_READ, mailboxes.folders),
    Route("GET", _FOLDER, _FOLDER_READ, mailboxes.folder),
    Route("GET", f"{_FOLDER}/items/delta", _ITEM_READ, mailboxes.items_delta),
    Route("GET", f"{_FOLDER}/items", _ITEM_READ, mailboxes.items),
    Route("GET", f"{_FOLDER}/items/{{item}}", _ITEM_READ, mailboxes.item),
    Route(
        "DELETE",
        f"{_FOLDER}/items/{{item}}",
        ("MailboxItem.ReadWrite.All",),
        mailboxes.delete_item,
    ),
    Route("POST", f"{_MAILBOX}/folders", ("MailboxFolder.ReadWrite.All",), mailboxes.create_folder),
    Route(
        "POST",
        f"{_FOLDER}/childFolders",
        ("MailboxFolder.ReadWrite.All",),
        mailboxes.create_folder,
    ),
    Route(
        "POST",
        f"{_MAILBOX}/exportItems",
        ("MailboxItem.Export.All", "MailboxItem.ImportExport.All"),
        transfer.export_items,
    ),
    Route(
        "POST",
        f"{_MAILBOX}/createImportSession",
        ("MailboxItem.ImportExport.All",),
        transfer.create_import_session,
    ),
)


class Graph:
    """Answers calls of Graph v1.0 and beta, which have the same paths. Errors are HttpError."""

    def __init__(self, store: Store, authority: Authority, faults: Faults) -> None:
        self._store = store
        self._authority = authority
        self._faults = faults
        self._tokens = DeltaTokens(store.secret("delta token key"))

    def answer(self, request: Request) -> Response:
        """The answer to a path below ``/v1.0`` or ``/beta``."""
        caller = self._authority.caller(request)
        segments = request.segments[1:]
        if (request.method, segments) == ("POST", ["$batch"]):
            return batch(request, self.answer, self._faults)
        for route in ROUTES:
            names = route.match(request.method, segments)
            if names is not None:
                _permit(caller, route)
                call = Call(request, names, caller, self._store, self._tokens, self._faults)
                return _handle(route, call)
        message = f"Resource not found for the segment '{segments[-1] if segments else ''}'."
        raise HttpError(404, "BadRequest", message)

    def import_item(self, request: Request) -> Response:
        """The answer to an import URL."""
        try:
            return transfer.import_item(self._store, request)
        except NotFound:
            raise _not_found() from None
        except Conflict as error:
            raise HttpError(409, "ErrorIrresolvableConflict", str(error)) from error


def _permit(caller: Caller, route: Route) -> None:
    if caller.roles.isdisjoint(route.permissions):
        needed = ", ".join(route.permissions)
        message = f"Insufficient privileges. One of these application permissions: {needed}."
        raise HttpError(403, "Authorization_RequestDenied", message)


def _handle(route: Route, call: Call) -> Response:
    try:
        return route.handler(call)
    except NotFound:
        raise _not_found() from None
    except Conflict as error:
        code = "ErrorFolderExists" if route.handler is mailboxes.create_folder else "ErrorConflict"
        raise HttpError(409, code, str(error)) from error


def _not_found() -> HttpError:
    return HttpError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
