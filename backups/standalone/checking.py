"""``check`` and ``verify``."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from backups.repository import layout
from backups.repository.check import check
from backups.repository.findings import Report, lines_of
from backups.repository.verify import Scope
from backups.standalone import sampling
from backups.standalone.output import megabytes, write_json, write_line
from backups.standalone.progress import clock_time
from backups.standalone.session import Session
from backups.standalone.status import DAMAGE, OK, UsageError


def check_all(session: Session) -> int:
    return _check(session, Scope(mailbox=_mailbox(session)))


def verify(session: Session) -> int:
    """As check, or of the items a sample."""
    if not session.has_key and sampling.is_sample(session.arguments):
        raise UsageError("a sample of items can't be read without a key")
    return _check(session, sampling.scope_of(session.arguments, _mailbox(session)))


def _mailbox(session: Session) -> UUID | None:
    """By its address, too, where a key tells what mailboxes are called."""
    chosen = session.arguments.mailbox
    if isinstance(chosen, str):
        return next(mailbox for _, mailbox in session.mailboxes())
    return chosen if isinstance(chosen, UUID) else None


def _check(session: Session, scope: Scope) -> int:
    total = _packs(session) if scope.objects and session.progress.is_seen else 0
    clock = session.progress.meter("packs", total)

    def show(so_far: Report) -> None:
        session.progress.show(lambda: _line(so_far, total, clock.seconds))

    report = check(
        session.repository,
        session.root,
        passphrase=session.passphrase,
        tenants=session.tenants,
        scope=scope,
        progress=show,
    )
    session.progress.clear()
    if session.arguments.json:
        write_json(asdict(report))
    else:
        for line in lines_of(report):
            write_line(line)
    return DAMAGE if report.findings else OK


def _packs(session: Session) -> int:
    backend = session.repository.backend
    return sum(1 for of in session.tenants for _ in backend.list(layout.packs_prefix(of)))


def _line(report: Report, total: int, seconds: float) -> str:
    packs = f"{report.packs:,} packs"
    if report.packs < total:
        left = clock_time(seconds / max(report.packs, 1) * (total - report.packs))
        packs = f"{report.packs:,} of {total:,} packs ({left} left)"
    rate = f" ({megabytes(report.bytes / seconds)}/s)" if report.bytes else ""
    return (
        f"{packs}, {report.commits:,} commits, {report.items:,} items{rate} checked;"
        f" {len(report.findings):,} findings"
    )
