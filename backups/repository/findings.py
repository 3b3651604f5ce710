"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from .errors import NotFound, RepositoryError, Unavailable, Unreadable


@dataclass(frozen=True, slots=True)
class Finding:
    """``object`` names what is damaged; the others say what that means to whom, where known."""

    object: str
    reason: str
    mailbox: UUID | None = None
    point: int | None = None
    """The first restore point that needs it."""
    item: str | None = None


def finding_of(error: RepositoryError, name: str, mailbox: UUID | None = None) -> Finding:
    """``name`` is what was looked at, for an error that names no object."""
    if isinstance(error, Unreadable):
        return Finding(error.key, error.reason, mailbox)
    if isinstance(error, NotFound):
        return Finding(error.key, "missing", mailbox)
    return Finding(name, str(error), mailbox)


@contextmanager
def found_in(name: str, findings: list[Finding], mailbox: UUID | None = None) -> Iterator[None]:
    """What is wrong inside becomes a finding. Raises Unavailable."""
    try:
        yield
    except Unavailable:
        raise
    except RepositoryError as error:
        findings.append(finding_of(error, name, mailbox))
