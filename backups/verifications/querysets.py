"""What the pages show of verifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Max, OuterRef, Subquery

if TYPE_CHECKING:
    from backups.infrastructure.models import Allocation
    from backups.verifications.models import DamagedItem, Verification

MOST = 20
"""Damaged items, or mailboxes with some, that one card names."""


@dataclass(slots=True)
class Health:
    """What a tenant sees of one allocation."""

    latest: Verification | None = None
    items: list[DamagedItem] = field(default_factory=list)
    """Named with ``subject``, ``version`` and ``taken_at``, of the first point with it.

    Empty for whoever may not see content.
    """
    mailboxes: list[dict[str, object]] = field(default_factory=list)
    """``address`` and ``damaged`` items of each mailbox with some."""
    damaged: int = 0
    healed: int = 0
    """Items that are no longer damaged."""
    healed_at: datetime | None = None


def health_of(allocations: Sequence[Allocation], *, with_content: bool) -> dict[UUID, Health]:
    """Inside the tenant's scope. Five queries, however many allocations there are."""
    from backups.catalog.models import ItemVersion, RestorePoint
    from backups.verifications.models import DamagedItem, Verification

    health = {allocation.pk: Health() for allocation in allocations}
    ids = list(health)
    newest = Verification.objects.filter(allocation__in=ids)
    for latest in newest.order_by("allocation_id", "-created_at").distinct("allocation_id"):
        health[latest.allocation_id].latest = latest
    damaged = DamagedItem.objects.filter(backup__allocation__in=ids, healed_at=None)
    counted = damaged.order_by("backup__mailbox__address").values(
        "backup__allocation", "backup__mailbox__address"
    )
    for found in counted.annotate(items=Count("pk")):
        of = health[found["backup__allocation"]]
        of.damaged += found["items"]
        if len(of.mailboxes) < MOST:
            of.mailboxes.append(
                {"address": found["backup__mailbox__address"], "damaged": found["items"]}
            )
    healed = DamagedItem.objects.filter(backup__allocation__in=ids, healed_at__isnull=False)
    ended = healed.order_by().values("backup__allocation")
    for past in ended.annotate(items=Count("pk"), last=Max("healed_at")):
        of = health[past["backup__allocation"]]
        of.healed, of.healed_at = past["items"], past["last"]
    if with_content:
        versions = ItemVersion.objects.filter(
            backup=OuterRef("backup"), item_id=OuterRef("item_id"), first=OuterRef("first")
        )
        points = RestorePoint.objects.filter(backup=OuterRef("backup"), sequence=OuterRef("point"))
        rows = damaged.select_related("backup__mailbox").annotate(
            subject=Subquery(versions.values("subject")[:1]),
            version=Subquery(versions.values("pk")[:1]),
            taken_at=Subquery(points.values("taken_at")[:1]),
        )
        for item in rows.order_by("-found_at", "-pk")[: MOST * len(ids)]:
            if len(health[item.backup.allocation_id].items) < MOST:
                health[item.backup.allocation_id].items.append(item)
    return health
