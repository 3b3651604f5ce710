"""`manage.py rebuild_catalog`: the database's picture of the backups, from the repositories."""

from __future__ import annotations

from contextlib import nullcontext
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.catalog import words
from backups.infrastructure.rebuild_processes import rebuild_in_processes
from backups.infrastructure.rebuilding import (
    Outcome,
    rebuild_packs,
    rebuild_wanted,
    want_rebuild,
)
from backups.management.lookups import mailbox_by_address, tenant_by_slug
from backups.management.progress import Line
from backups.repository import RepositoryError
from tenants.isolation.scope import OPERATOR
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Make folders, items, restore points and the index of packs again from the repositories."
        " Without --tenant those of all tenants. Backups may go on meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG")
        parser.add_argument("--mailbox", metavar="ADDRESS", help="needs --tenant")
        parser.add_argument(
            "--resume", action="store_true", help="go on with what an interrupted call left"
        )
        parser.add_argument(
            "--processes",
            type=int,
            default=1,
            metavar="N",
            help="mailboxes at a time; as many as the host has processors is fastest",
        )

    def handle(
        self,
        *,
        tenant: str | None,
        mailbox: str | None,
        resume: bool,
        processes: int,
        **options: object,
    ) -> None:
        if mailbox is not None and tenant is None:
            raise CommandError("--mailbox needs --tenant.")
        if processes < 1:
            raise CommandError("--processes needs a number from 1 on.")
        if tenant is not None:
            tenants = [tenant_by_slug(tenant)]
        else:
            tenants = list(Tenant.objects.using(OPERATOR).order_by("slug"))
        self._failed = False
        with words.made_last() if tenant is None else nullcontext():
            ready = [one for one in tenants if self._prepare(one, mailbox, resume)]
            if processes == 1:
                for one in ready:
                    self._rebuild(one)
            else:
                self._rebuild_together(ready, processes)
        if self._failed:
            raise CommandError("Not everything could be made again.")

    def _prepare(self, tenant: Tenant, mailbox: str | None, resume: bool) -> bool:
        """Note what is wanted, and make the index of packs; False when that can't be done."""
        if not resume:
            only = None if mailbox is None else mailbox_by_address(tenant, mailbox).pk
            want_rebuild(tenant.pk, only)
        if mailbox is not None:
            return True
        line = Line(self.stderr)
        try:
            for allocation, found in rebuild_packs(tenant.pk, line.counting("packs")):
                line.clear()
                what = f"{found.packs} packs, {found.blobs} blobs"
                self.stdout.write(f"{tenant.slug}, {allocation}: {what}")
                for error in found.damaged:
                    self._complain(str(error))
        except RepositoryError as error:
            self._complain(f"{tenant.slug}: {error}")
            return False
        finally:
            line.clear()
        return True

    def _rebuild(self, tenant: Tenant) -> None:
        line = Line(self.stderr)
        try:
            for outcome in rebuild_wanted(tenant.pk, line.counting("commits")):
                line.clear()
                self._tell(tenant, outcome)
        except RepositoryError as error:
            self._complain(f"{tenant.slug}: {error}")
        finally:
            line.clear()

    def _rebuild_together(self, tenants: list[Tenant], processes: int) -> None:
        known: dict[UUID, Tenant] = {tenant.pk: tenant for tenant in tenants}
        try:
            for tenant_id, outcome in rebuild_in_processes(list(known), processes):
                self._tell(known[tenant_id], outcome)
        except RepositoryError as error:
            self._complain(str(error))

    def _tell(self, tenant: Tenant, outcome: Outcome) -> None:
        done = outcome.rebuilt
        who = f"{tenant.slug}, {outcome.address}"
        if done is None:
            self._complain(f"{who}: {outcome.error}; nothing was changed")
            return
        what = f"{done.versions} versions, {done.points} restore points, {done.head} commits"
        self.stdout.write(f"{who}: {what}")
        if done.is_shorter:
            gone = f"commits {done.head + 1} to {done.known}"
            self._complain(f"{who}: {gone} were known and are not in the repository any more")
        if done.damage is not None:
            self._complain(f"{who}: {done.damage}")

    def _complain(self, message: str) -> None:
        self._failed = True
        self.stderr.write(message)
