"""``find``."""

from __future__ import annotations

from collections.abc import Iterator

from backups.standalone.listing import ITEMS, item_row
from backups.standalone.output import Row, write_rows
from backups.standalone.session import Session
from backups.standalone.status import OK, UsageError
from backups.standalone.wanted import Wanted


def find(session: Session) -> int:
    if session.indexed is None:
        raise UsageError("find needs --index FILE; rebuild makes it")
    rows = _rows(session, Wanted.of(session.arguments))
    found = write_rows(rows, ITEMS, as_json=session.arguments.json)
    if not session.arguments.json:
        session.remark(f"{found} items")
    return OK


def _rows(session: Session, wanted: Wanted) -> Iterator[Row]:
    for view in session.views(wanted=wanted, every=session.arguments.ever):
        for item in view.items:
            yield item_row(view, item)
