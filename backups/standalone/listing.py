"""``info``, ``mailboxes``, ``points`` and ``ls``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from uuid import UUID

from backups.repository import layout
from backups.repository.browse import folder_path
from backups.standalone.output import Row, megabytes, write_json, write_line, write_rows
from backups.standalone.session import Session
from backups.standalone.status import OK, UsageError
from backups.standalone.views import Listed, View
from backups.standalone.wanted import Wanted

MAILBOXES = ("mailbox", "address", "points", "latest", "taken_at", "items", "bytes")
POINTS = ("mailbox", "sequence", "taken_at", "items", "bytes", "faults")
ITEMS = ("mailbox", "folder", "item_id", "item_class", "size", "received_at", "subject")


def info(session: Session) -> int:
    repository = session.repository
    counts = {str(tenant): _counts(session, tenant) for tenant in session.tenants}
    session.progress.clear()
    if session.arguments.json:
        tenants = {"repository": repository.id, "format": layout.FORMAT, "tenants": counts}
        write_json(tenants)
        return OK
    write_line(f"repository {repository.id}, format {layout.FORMAT}, {len(counts)} tenants")
    for name, of in counts.items():
        write_line(
            f"tenant {name}: {of['mailboxes']} mailboxes, {of['packs']} packs,"
            f" {of['bytes']} bytes ({megabytes(of['bytes'])}), {of['commits']} commits"
        )
    return OK


def mailboxes(session: Session) -> int:
    return _write(session, _mailbox_rows(session), MAILBOXES)


def points(session: Session) -> int:
    rows = (
        {"tenant": of.tenant, "mailbox": of.mailbox, **asdict(point)}
        for of in session.points()
        for point in of.points
    )
    return _write(session, rows, POINTS)


def ls(session: Session) -> int:
    return _write(session, _item_rows(session), ITEMS)


def cat(session: Session) -> int:
    wanted = session.arguments.item
    if session.arguments.mailbox is None or wanted is None:
        raise UsageError("cat needs --mailbox and --item")
    for view in session.views(wanted=Wanted(item_id=wanted)):
        item = next((item for item in view.items if item.item_id == wanted), None)
        if item is None:
            raise UsageError(f"mailbox {view.mailbox} has no item {wanted} at point {view.point}")
        content = item.read()
        session.progress.clear()
        sys.stdout.buffer.write(content)
    return OK


def _counts(session: Session, tenant: UUID) -> dict[str, int]:
    backend = session.repository.backend
    meter = session.progress.meter(f"tenant {tenant}", unit="objects")
    packs = size = commits = 0
    for _, length in backend.sizes(layout.packs_prefix(tenant)):
        packs, size = packs + 1, size + length
        meter.step()
    for _ in backend.list(layout.commits_prefix(tenant)):
        commits += 1
        meter.step()
    mailboxes = len(backend.folders(layout.commits_prefix(tenant)))
    return {"mailboxes": mailboxes, "packs": packs, "bytes": size, "commits": commits}


def _write(session: Session, rows: Iterator[Row], columns: tuple[str, ...]) -> int:
    write_rows(rows, columns, as_json=session.arguments.json)
    return OK


def _mailbox_rows(session: Session) -> Iterator[Row]:
    for of in session.points():
        row = {"tenant": of.tenant, "mailbox": of.mailbox, "address": of.address}
        found: dict[str, object] = {**row, "points": len(of.points)}
        if of.points:
            last = of.points[-1]
            found |= {"latest": last.sequence, "taken_at": last.taken_at}
            found |= {"items": last.items, "bytes": last.bytes, "coverage": last.coverage}
        yield found


def _item_rows(session: Session) -> Iterator[Row]:
    for view in session.views():
        for item in view.items:
            yield item_row(view, item)


def item_row(view: View, item: Listed) -> Row:
    return {
        "mailbox": view.mailbox,
        "address": view.address,
        "point": view.point,
        "folder": folder_path(view.folders, item.folder_id),
        "folder_id": item.folder_id,
        "item_id": item.item_id,
        "item_class": item.item_class,
        "size": item.size,
        "received_at": item.received_at,
        "from": item.sender,
        "subject": item.subject,
    }
