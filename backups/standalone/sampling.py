"""What ``python -m backups.repository verify`` is asked to look at."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from uuid import UUID

from backups.repository.verify import CIRCLE, Sample, Scope


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--percent", type=_percent, metavar="N", help="of the items, not all")
    explanation = "which sample: 0, 1, 2 … lie side by side and together are everything"
    command.add_argument("--seed", type=int, default=0, metavar="S", help=explanation)
    explanation = "only items that were backed up before that many days"
    command.add_argument("--older-than", type=_days, metavar="DAYS", help=explanation)


def is_sample(asked: argparse.Namespace) -> bool:
    return asked.percent is not None or asked.older_than is not None


def scope_of(asked: argparse.Namespace, mailbox: UUID | None) -> Scope:
    """Of a sample packs are not read whole."""
    if not is_sample(asked):
        return Scope(mailbox=mailbox)
    before = None
    if asked.older_than is not None:
        before = datetime.now(UTC) - timedelta(days=asked.older_than)
    percent = CIRCLE if asked.percent is None else asked.percent
    sample = Sample.numbered(percent, asked.seed, before)
    return Scope(objects=False, sample=sample, mailbox=mailbox)


def _percent(text: str) -> float:
    percent = float(text)
    if not 0 < percent <= CIRCLE:
        raise ValueError
    return percent


def _days(text: str) -> int:
    days = int(text)
    if not 0 <= days <= 36_500:  # a century
        raise ValueError
    return days
