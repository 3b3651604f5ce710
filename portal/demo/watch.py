"""Waiting for sessions with a progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections
from django.db.models import Sum

from backups.sessions.models import Session, State, Task
from tenants.isolation.scope import operator_scope

BAR = 32
LOOK_SECONDS = 0.25
LINE_SECONDS = 5.0
STALL_SECONDS = 600.0


class Stalled(Exception):
    """Nothing moved for a long time; the message says how far it was."""


@dataclass(frozen=True)
class Reading:
    mailboxes: int
    mailboxes_done: int
    expected: int
    handled: int
    open: int

    @property
    def fraction(self) -> float:
        if self.expected:
            return min(self.handled / self.expected, 1.0)
        return self.mailboxes_done / self.mailboxes if self.mailboxes else 0.0

    def line(self) -> str:
        return (
            f"{self.mailboxes_done}/{self.mailboxes} mailboxes,"
            f" {self.handled} of {max(self.expected, self.handled)} items"
        )


def wait_for(sessions: Sequence[UUID], title: str) -> None:
    """Return when all sessions have ended. Raises Stalled after ten minutes without a change."""
    began = moved = said = time.monotonic()
    last = reading = Reading(0, 0, 0, 0, open=len(sessions))
    bar = sys.stderr.isatty()
    while True:
        try:
            reading = _read(sessions)
        except (OperationalError, InterfaceError):
            # The database is being started again; the supervisor's log says why.
            connections.close_all()
        now = time.monotonic()
        if reading != last:
            last, moved = reading, now
        if bar:
            sys.stderr.write(f"\r{title} {_bar(reading.fraction)} {reading.line()}\x1b[K")
        elif now - said >= LINE_SECONDS:
            said = now
            sys.stderr.write(f"{title}: {reading.line()}\n")
        sys.stderr.flush()
        if not reading.open:
            break
        if now - moved > STALL_SECONDS:
            raise Stalled(f"{title}: nothing moved for ten minutes at {reading.line()}")
        time.sleep(LOOK_SECONDS)
    end = f"{title}: {reading.line()} in {time.monotonic() - began:.1f} s\n"
    sys.stderr.write(f"\r{end.rstrip()}\x1b[K\n" if bar else end)
    sys.stderr.flush()


def _bar(fraction: float) -> str:
    full = int(fraction * BAR)
    return f"[{'█' * full}{'·' * (BAR - full)}] {fraction:4.0%}"


def _read(sessions: Sequence[UUID]) -> Reading:
    with operator_scope():
        rows = list(Session.objects.filter(pk__in=sessions))
        sums = Task.objects.filter(session__in=sessions).aggregate(
            expected=Sum("items_expected"), handled=Sum("items_handled")
        )
    return Reading(
        mailboxes=sum(row.mailboxes_total for row in rows),
        mailboxes_done=sum(row.mailboxes_done for row in rows),
        expected=sums["expected"] or 0,
        handled=sums["handled"] or 0,
        open=sum(row.state in (State.QUEUED, State.RUNNING) for row in rows),
    )
