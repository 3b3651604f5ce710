"""What can go wrong with a mailbox system, in words that a session can show to a person."""

from __future__ import annotations


class SourceError(Exception):
    """Base of the errors of every source. The message names no secret and no secret URL."""


class Throttled(SourceError):
    """The server asks to wait longer than a source waits in place.

    ``retry_after``: seconds from now.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotPermitted(SourceError):
    """Sign-in or a permission is missing. Never means that something does not exist.

    ``permission``: the one that is missing, "" when sign-in itself failed.
    """

    def __init__(self, message: str, permission: str = "") -> None:
        super().__init__(message)
        self.permission = permission


class Gone(SourceError):
    """The mailbox, folder or item does not exist (any more)."""


class CursorExpired(SourceError):
    """The server no longer knows the cursor: enumerate again without one.

    Says nothing about what was deleted: what the new enumeration does not list is compared, not
    removed for being absent from an interrupted one.
    """


class Retry(SourceError):
    """It went wrong this time; the same call later may go right."""


class Damaged(SourceError):
    """The server's answer for this item is not an item, also when asked again."""


class Refused(SourceError):
    """The server understood and said no: too large, over quota, corrupt in its eyes."""


class Unavailable(SourceError):
    """The server can't be reached or does not answer as one."""
