"""Whether the clock can be trusted with an expiry.

What is too old is told by the database's clock and this host's, whichever is behind, so one that
jumps ahead does nothing. When both do, everything would be too old at once. So the tick notes what
the database's clock says. When that went ahead by days between two ticks, because it jumped or
because nothing ran meanwhile, nothing expires for some days: time to put the clock right, or to
say that it is.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connections, transaction

from backups.retention.models import ClockWatch
from tenants.isolation.scope import OPERATOR

log = logging.getLogger(__name__)

JUMP = timedelta(days=3)
WAIT = timedelta(days=3)


def note_clock() -> None:
    """The tick: look at the database's clock, and hold expiry up when it jumped ahead."""
    with transaction.atomic(using=OPERATOR):
        now = _database_now()
        rows = ClockWatch.objects.using(OPERATOR).select_for_update()
        row, _ = rows.get_or_create(is_only=True, defaults={"seen_at": now})
        if now - row.seen_at > JUMP:
            row.came_from, row.waits_until = row.seen_at, now + WAIT
            log.warning("the clock went from %s to %s: nothing expires for now", row.seen_at, now)
        elif row.waits_until and (now >= row.waits_until or row.seen_at - now > JUMP):
            row.came_from = row.waits_until = None
        row.seen_at = now
        row.save(using=OPERATOR)


def is_trusted() -> bool:
    row = ClockWatch.objects.using(OPERATOR).first()
    if row is None:
        return True
    now = _database_now()
    return now - row.seen_at <= JUMP and (row.waits_until is None or now >= row.waits_until)


def say_it_is_right(*, by: str) -> bool:
    """An operator's word: expiry goes on. ``by`` is for the log. False when nothing is held up."""
    with transaction.atomic(using=OPERATOR):
        rows = ClockWatch.objects.using(OPERATOR).select_for_update()
        row = rows.filter(waits_until__isnull=False).first()
        if row is None:
            return False
        log.warning("%s says that the clock, which jumped from %s, is right", by, row.came_from)
        row.came_from = row.waits_until = None
        row.save(using=OPERATOR)
    return True


def held_up() -> ClockWatch | None:
    """The row while nothing expires because the clock jumped."""
    row = ClockWatch.objects.using(OPERATOR).filter(waits_until__isnull=False).first()
    return row if row is not None and not is_trusted() else None


def _database_now() -> datetime:
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now
