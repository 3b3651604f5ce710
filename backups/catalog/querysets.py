from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import connections
from django.db.models import Q
from django.db.models.functions import Coalesce

from backups.catalog.pages import EARLIEST, After
from tenants.isolation.scope import APP, require_tenant
from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.catalog.models import Folder, ItemVersion, RestorePoint

_PAGE: Final = "SELECT * FROM backups_page(%s, %s, %s, %s, %s, %s)"


def _at(point: int) -> Q:
    return Q(first__lte=point) & (Q(last__isnull=True) | Q(last__gt=point))


class RestorePointQuerySet(TenantQuerySet["RestorePoint"]):
    def of_mailbox(self, mailbox_id: UUID) -> RestorePointQuerySet:
        return self.filter(backup__mailbox_id=mailbox_id).order_by("-taken_at")


class FolderQuerySet(TenantQuerySet["Folder"]):
    def at(self, point: int) -> FolderQuerySet:
        """Folders as they were at a restore point."""
        return self.filter(_at(point))

    def current(self) -> FolderQuerySet:
        return self.filter(last=None)


class ItemVersionQuerySet(TenantQuerySet["ItemVersion"]):
    def at(self, point: int) -> ItemVersionQuerySet:
        """Items as they were at a restore point."""
        return self.filter(_at(point))

    def gone_by(self, point: int) -> ItemVersionQuerySet:
        """Items that existed earlier and are not there at the point: what "show deleted" shows.

        The newest version of each; an item that was only changed or moved is not gone.
        """
        there = self.at(point).values("item_id")
        return (
            self.filter(last__lte=point)
            .exclude(item_id__in=there)
            .order_by("item_id", "-last")
            .distinct("item_id")
        )

    def current(self) -> ItemVersionQuerySet:
        return self.filter(last=None)

    def newest_first(self, after: After | None) -> ItemVersionQuerySet:
        """In the order of the pages, behind the row ``after``."""
        rows = self.annotate(listed_at=Coalesce("received_at", EARLIEST))
        if after is not None:
            behind = Q(listed_at__lt=after.date) | Q(listed_at=after.date, pk__lt=after.id)
            # Says the same as the right side of it; by the left one the index is entered.
            rows = rows.filter(Q(listed_at__lte=after.date) & behind)
        return rows.order_by("-listed_at", "-pk")

    def for_lists(self) -> ItemVersionQuerySet:
        """Without the sealed references and the words, which no page needs."""
        return self.defer("references", "search")

    def in_order(self, ids: Sequence[int]) -> list[ItemVersion]:
        """The rows of these ids as lists show them, with their mailboxes, in this order."""
        rows = self.for_lists().select_related("backup__mailbox").filter(pk__in=ids)
        known = {row.pk: row for row in rows}
        return [known[pk] for pk in ids if pk in known]

    def page(
        self, backup_id: UUID, folder_id: str, point: int, after: After | None, most: int
    ) -> list[ItemVersion]:
        """At most ``most`` items that were there at the point, newest first, behind ``after``.

        Of all folders when ``folder_id`` is empty. The ids come from ``backups_page`` (migration
        0021), which runs with the owner's rights and asks for the tenant that is set; the rows are
        read under row security.
        """
        require_tenant()
        with connections[APP].cursor() as cursor:
            cursor.execute(
                _PAGE,
                [
                    backup_id,
                    folder_id or None,
                    point,
                    after.date if after else None,
                    after.id if after else None,
                    most,
                ],
            )
            found = [row[0] for row in cursor.fetchall()]
        return self.in_order(found)
