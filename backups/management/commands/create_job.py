"""`manage.py create_job`: protect an entire organization."""

from __future__ import annotations

from datetime import time

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from backups.infrastructure.models import Allocation
from backups.jobs.models import Job
from backups.jobs.retention import Mode, Retention
from backups.jobs.services import create_job
from backups.management.lookups import repository_by_name, tenant_by_slug
from backups.organizations.models import Organization
from tenants.isolation.scope import tenant_scope


class Command(BaseCommand):
    help = "Create a job that protects every mailbox of an organization."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")
        parser.add_argument("organization", help="its name")
        parser.add_argument("repository", help="its name; the tenant has a share of it")
        parser.add_argument("--name", default="", help="default: Everyone at <organization>")
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--every", type=int, metavar="MINUTES", help="5 or more")
        when.add_argument("--daily", type=time.fromisoformat, metavar="HH:MM")
        parser.add_argument(
            "--keep", metavar="TIME", help="90d, 18m or 7y; default: keep everything"
        )
        parser.add_argument(
            "--keep-what",
            choices=[Mode.POINTS, Mode.ITEMS],
            default=Mode.POINTS,
            help="what --keep counts: restore points (default), or deleted and changed items",
        )

    def handle(
        self,
        *,
        tenant: str,
        organization: str,
        repository: str,
        name: str,
        every: int | None,
        daily: time | None,
        keep: str | None,
        keep_what: str,
        **options: object,
    ) -> None:
        owner, place = tenant_by_slug(tenant), repository_by_name(repository)
        try:
            retention = Retention.read(keep, keep_what) if keep else Retention()
        except ValueError as error:
            raise CommandError(str(error)) from error
        schedule = Job.Schedule.MANUAL
        if every is not None:
            schedule = Job.Schedule.INTERVAL
        elif daily is not None:
            schedule = Job.Schedule.DAILY
        with tenant_scope(owner.pk):
            source = Organization.objects.filter(name=organization).first()
            allocation = Allocation.objects.filter(repository_id=place.pk).first()
            if source is None:
                raise CommandError(f"{owner} has no organization {organization}.")
            if allocation is None:
                raise CommandError(f"{owner} has no share of {place}; manage.py allocate first.")
        try:
            with tenant_scope(owner.pk):
                job = create_job(
                    name=name or f"Everyone at {organization}",
                    organization=source,
                    allocation=allocation,
                    schedule=schedule,
                    interval_minutes=every,
                    daily_at=daily,
                    retention=retention,
                )
        except IntegrityError as error:
            reason = "schedule_is_complete" in str(error)
            raise CommandError(
                "A job runs every 5 minutes at most."
                if reason
                else f"{owner} has a job of this name already."
            ) from error
        self.stdout.write(f"{job} is ready.")
