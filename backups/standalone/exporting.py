"""``export``."""

from __future__ import annotations

from backups.repository import Unreadable
from backups.standalone.export import Export, Layout, Numbered
from backups.standalone.output import megabytes, write_json, write_line
from backups.standalone.progress import Meter
from backups.standalone.session import Session
from backups.standalone.status import DAMAGE, OK, UsageError
from backups.standalone.views import View
from backups.standalone.wanted import Wanted

STORED = "fts"
FORMATS = (STORED, "usual", "eml", "msg", "ics", "vcf", "json")
ASKED = ("tenant", "mailbox", "point", "format")


def export(session: Session) -> int:
    arguments = session.arguments
    if arguments.to is None:
        raise UsageError("export needs --to DIR")
    asked = {"repository": str(session.repository.id)}
    asked |= {name: str(getattr(arguments, name) or "") for name in ASKED}
    wanted = Wanted.of(arguments)
    if wanted.is_anything():
        if session.indexed is None:
            raise UsageError("what is looked for is found in --index FILE; rebuild makes it")
        asked["wanted"] = str(wanted)
    failed: list[dict[str, str]] = []
    with Export(arguments.to, asked, _layout(arguments.format)) as target:
        for number, view in enumerate(session.views(target.points, wanted), start=1):
            label = view.address if arguments.format != STORED else ""
            target.begin(view, label or str(view.mailbox))
            title = f"mailbox {number}" + (f" ({view.address})" if view.address else "")
            meter = session.progress.meter(title, view.count)
            failed += _mailbox(session, target, view, meter)
        if not failed and not session.damaged:
            target.finish()
        counts = {"mailboxes": len(target.points), "items": target.items, "bytes": target.bytes}
    session.progress.clear()
    if arguments.json:
        write_json(counts | {"failed": failed})
    else:
        write_line(
            f"{counts['mailboxes']} mailboxes, {counts['items']} items,"
            f" {counts['bytes']} bytes ({megabytes(target.bytes)}),"
            f" {len(failed)} items unreadable"
        )
    return DAMAGE if failed else OK


def _mailbox(session: Session, target: Export, view: View, meter: Meter) -> list[dict[str, str]]:
    """Write what is not there yet; gives what can't be read."""
    failed: list[dict[str, str]] = []
    for item in view.items:
        if target.has(view, item):
            meter.skip(1)
            continue
        try:
            content = item.read()
        except Unreadable as error:
            session.damage(error, f"mailbox {view.mailbox}, item {item.item_id}")
            place = {"mailbox": str(view.mailbox), "item_id": item.item_id}
            failed.append(place | {"object": error.key, "reason": error.reason})
            continue
        target.write(view, item, content)
        meter.step(size=len(content))
    return failed


def _layout(format: str) -> Layout:
    if format == STORED:
        return Numbered()
    # Stored bytes are written without what decodes them.
    from backups.standalone.formats import Readable

    return Readable(format)
