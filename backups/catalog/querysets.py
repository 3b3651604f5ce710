from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Coalesce

from backups.catalog.pages import EARLIEST, After
from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.catalog.models import Folder, ItemVersion, RestorePoint


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
