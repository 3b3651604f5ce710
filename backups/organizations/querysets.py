from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.organizations.models import Mailbox

PROTECTION = timedelta(days=31)
"""A mailbox with a restore point younger than this is protected."""


@dataclass(frozen=True, slots=True)
class Protection:
    """How many of an organization's mailboxes there are, and how many of them are protected."""

    mailboxes: int = 0
    protected: int = 0

    @property
    def unprotected(self) -> int:
        return self.mailboxes - self.protected


class MailboxQuerySet(TenantQuerySet["Mailbox"]):
    def present(self) -> MailboxQuerySet:
        """Mailboxes that the directory still lists."""
        return self.filter(retired_at=None)

    def with_protection(self, since: datetime) -> MailboxQuerySet:
        """Adds ``is_protected``: a restore point was taken since then."""
        from backups.catalog.models import RestorePoint

        points = RestorePoint.objects.filter(backup__mailbox=OuterRef("pk"), taken_at__gte=since)
        return self.annotate(is_protected=Exists(points))

    def with_last_point(self) -> MailboxQuerySet:
        """Adds ``last_taken_at``, ``last_items`` and ``last_bytes`` of the newest restore point."""
        from backups.catalog.models import RestorePoint

        newest = RestorePoint.objects.filter(backup__mailbox=OuterRef("pk")).order_by("-taken_at")
        return self.annotate(
            **{
                f"last_{field}": Subquery(newest.values(field)[:1])
                for field in ("taken_at", "items", "bytes")
            }
        )

    def protection_of(
        self, organizations: Collection[UUID], since: datetime
    ) -> dict[UUID, Protection]:
        """Protection by organization, of the mailboxes that the directory still lists."""
        rows = (
            self.present()
            .with_protection(since)
            .filter(organization__in=organizations)
            .order_by()
            .values("organization")
            .annotate(total=Count("pk"), safe=Count("pk", filter=Q(is_protected=True)))
        )
        return {row["organization"]: Protection(row["total"], row["safe"]) for row in rows}
