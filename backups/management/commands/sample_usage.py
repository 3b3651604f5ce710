"""`manage.py sample_usage`: take the samples that bills are made from."""

from __future__ import annotations

from datetime import date

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.usage import measure
from tenants.billing.services import DayNotOver, sample_day, sample_missed_days


class Command(BaseCommand):
    help = "Sample the usage of closed days that lack it. Samples that exist are not changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--day",
            type=date.fromisoformat,
            metavar="YYYY-MM-DD",
            help="this day of UTC only; default: what is missing of the last two months",
        )

    def handle(self, *, day: date | None, **options: object) -> None:
        if day is None:
            taken = sample_missed_days(meter=measure)
        else:
            try:
                taken = sample_day(day=day, meter=measure)
            except DayNotOver as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"Sampled {taken} tenants' days." if taken else "Nothing was missing.")
