"""For how long a job keeps what it stores, and the arithmetic of its days, months and years."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models

LONGEST_YEARS = 100
"""Nothing is kept for longer but for ever."""


class Mode(models.TextChoices):
    """What the limit counts from.

    Restore points: a restore point goes when it is older than the limit, and with it whatever no
    younger one holds. Items: besides, whatever was deleted or changed stays until so long after a
    backup found it so, even where no restore point holds it any more.
    """

    FOREVER = "forever", "Everything, for ever"
    POINTS = "points", "Restore points for some time"
    ITEMS = "items", "Deleted and changed items for some time"


class Unit(models.TextChoices):
    DAYS = "days", "days"
    MONTHS = "months", "months"
    YEARS = "years", "years"


MOST = {Unit.DAYS: 36_500, Unit.MONTHS: 12 * LONGEST_YEARS, Unit.YEARS: LONGEST_YEARS}


@dataclass(frozen=True, slots=True)
class Retention:
    """``count`` is None for mode "forever", and else at least 1."""

    mode: str = Mode.FOREVER
    count: int | None = None
    unit: str = Unit.DAYS

    @classmethod
    def read(cls, text: str, mode: str = Mode.POINTS) -> Retention:
        """From ``90d``, ``18m`` or ``7y``. Raises ValueError."""
        found = re.fullmatch(r"([0-9]{1,6})([dmy])", text.strip().lower())
        if not found:
            raise ValueError(f"{text!r} is no time such as 90d, 18m or 7y")
        unit = {"d": Unit.DAYS, "m": Unit.MONTHS, "y": Unit.YEARS}[found[2]]
        read = cls(mode, int(found[1]), unit)
        if problem := read.problem():
            raise ValueError(problem)
        return read

    def problem(self) -> str:
        """What is wrong with it, in words; empty when nothing is."""
        if self.mode == Mode.FOREVER:
            return "" if self.count is None else "What is kept for ever has no limit."
        most = MOST[Unit(self.unit)]
        if self.count is None or not 1 <= self.count <= most:
            return f"Write how many {self.unit}: 1 to {most}."
        return ""

    def limit(self, now: datetime) -> datetime | None:
        """What is older than this may go; None when nothing may. The day is kept in a month."""
        if self.mode == Mode.FOREVER or self.count is None:
            return None
        if self.unit == Unit.DAYS:
            return now - timedelta(days=self.count)
        months = self.count * (12 if self.unit == Unit.YEARS else 1)
        year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
        day = min(now.day, calendar.monthrange(year, month + 1)[1])
        return now.replace(year=year, month=month + 1, day=day)

    def __str__(self) -> str:
        if self.count is None:
            return "Kept forever"
        unit = self.unit.removesuffix("s") if self.count == 1 else self.unit
        what = "Restore points" if self.mode == Mode.POINTS else "Deleted and changed items"
        return f"{what} for {self.count} {unit}"


KEPT_FOREVER = Retention()
