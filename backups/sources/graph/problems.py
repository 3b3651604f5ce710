"""What an error answer of Graph means."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from backups.sources.errors import (
    CursorExpired,
    Damaged,
    Gone,
    NotPermitted,
    Refused,
    Retry,
    SourceError,
    Unavailable,
)

_PERMISSION = re.compile(
    r"\b(?:Mailbox\w+|Mail|User|Group|Directory|Organization|Calendars|Contacts)"
    r"(?:\.[A-Z]\w+){1,2}\b"
)
_MAILBOX = re.compile(r"MBX:[0-9A-Za-z-]+@[0-9A-Za-z-]+")
_EXPIRED_CODES = frozenset(
    {
        "syncstatenotfound",
        "syncstateinvalid",
        "resyncrequired",
        "errorinvalidsyncstatedata",
        "errorsyncstatenotfound",
    }
)
_ITEM_ERRORS: dict[str, type[SourceError]] = {
    "erroritemnotfound": Gone,
    "errorinvalididmalformed": Gone,
    "erroraccessdenied": NotPermitted,
    "errorcorruptdata": Damaged,
    "erroritemcorrupt": Damaged,
    "errorcontentconversionfailed": Damaged,
    "errormessagesizeexceeded": Refused,
}
_LONGEST_MESSAGE = 300


class MovedItem(Retry):
    """An item of an archive is exported at another address, ``url``."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class ExpectedElsewhere(Refused):
    """An import belongs into another mailbox of the archive, ``mailbox``."""

    def __init__(self, message: str, mailbox: str) -> None:
        super().__init__(message)
        self.mailbox = mailbox


class BrokenAnswer(Exception):
    """A success whose body is not what it should be, such as JSON that ends early."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An OData error: its ``code`` and ``message``, empty where the body is none."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        said = ": ".join(filter(None, (self.code, self.message)))
        return f"{self.status} {said}" if said else str(self.status)


def read_problem(status: int, body: bytes) -> Problem:
    """The error in a body; never fails."""
    try:
        error = json.loads(body)["error"]
        code, message = str(error.get("code", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Problem(status, "", "")
    return Problem(status, code, " ".join(message.split())[:_LONGEST_MESSAGE])


def lasting_error(problem: Problem, what: str, permission: str, *, cursor: bool) -> SourceError:
    """The error for an answer that waiting does not mend."""
    if cursor and (problem.status == 410 or problem.code.lower() in _EXPIRED_CODES):
        return CursorExpired(f"{what}: the server no longer knows where we were ({problem})")
    if problem.status == 401:
        # Also after a fresh token: nobody's consent is missing, the credential was taken away.
        return NotPermitted(f"{what}: the server does not accept the sign-in ({problem})")
    if problem.status == 403:
        named = _PERMISSION.search(problem.message)
        missing = permission if not named or permission in problem.message else named[0]
        return NotPermitted(f"{what}: not permitted, needs {missing} ({problem})", missing)
    if problem.status in (404, 410):
        return Gone(f"{what}: not found ({problem})")
    if 300 <= problem.status < 400:
        return Unavailable(f"{what}: the server points elsewhere ({problem})")
    elsewhere = _MAILBOX.search(problem.message) if problem.status == 409 else None
    if elsewhere:
        return ExpectedElsewhere(f"{what}: refused ({problem})", elsewhere[0])
    return Refused(f"{what}: refused ({problem})")


def item_error(code: str, message: str) -> SourceError:
    """The error that one item of an export carries. An unknown code may pass: Retry."""
    if code == "ErrorArchiveFolderMovedPermanently":
        return MovedItem("the archive keeps this item in another mailbox", message)
    kind = _ITEM_ERRORS.get(code.lower(), Retry)
    return kind(f"the server can't export this item ({code}: {message[:_LONGEST_MESSAGE]})")
