"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from .destruction import Destruction
from .errors import NotFound, RepositoryError, Unavailable, Unreadable

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """``object`` names what is damaged; the others say what that means to whom, where known."""

    object: str
    reason: str
    mailbox: UUID | None = None
    point: int | None = None
    """The first restore point that needs it."""
    item: str | None = None
    first: int | None = None
    """The commit that this version of the item came with."""


@dataclass(slots=True)
class Report:
    full: bool
    """Whether keys were there, so that content was checked and not only structure."""
    tenants: int = 0
    mailboxes: int = 0
    packs: int = 0
    blobs: int = 0
    commits: int = 0
    items: int = 0
    bytes: int = 0
    """Of items that were joined and hashed."""
    findings: list[Finding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Objects that are none of the format's."""
    destroyed: list[Destruction] = field(default_factory=list)
    """Keys that were destroyed on request: what they opened is gone, not damaged."""


def finding_of(error: RepositoryError, name: str, mailbox: UUID | None = None) -> Finding:
    """``name`` is what was looked at, for an error that names no object."""
    if isinstance(error, Unreadable):
        return Finding(error.key, error.reason, mailbox)
    if isinstance(error, NotFound):
        return Finding(error.key, MISSING, mailbox)
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


def lines_of(report: Report) -> Iterator[str]:
    """What people read of it."""
    for finding in report.findings:
        of = f" (mailbox {finding.mailbox}" if finding.mailbox else ""
        of += f", item {finding.item}" if finding.item else ""
        of += f", point {finding.point}" if finding.point else ""
        yield f"damaged: {finding.object}: {finding.reason}{of}{')' if of else ''}"
    for name in report.unknown:
        yield f"unknown object: {name}"
    for note in report.destroyed:
        what = f"mailbox {note.mailbox}" if note.mailbox else f"tenant {note.tenant}"
        when = f"at {note.finished_at}" if note.finished_at else "begun, not finished"
        yield f"destroyed on request: the key of {what}, {when}"
    depth = "structure and content" if report.full else "structure only, no key was given"
    yield (
        f"{report.packs} packs, {report.blobs} blobs, {report.commits} commits of "
        f"{report.mailboxes} mailboxes, {report.items} items checked ({depth}); "
        f"{len(report.findings)} findings"
    )
