from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.isolation.tables import (
    GlobalModel,
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
    TenantModel,
    TenantQuerySet,
)

if TYPE_CHECKING:
    from backups.infrastructure.models import Allocation


class LegalHoldQuerySet(TenantQuerySet["LegalHold"]):
    def in_force(self) -> LegalHoldQuerySet:
        return self.filter(released_at=None)


class LegalHold(IdentifiedTenantModel):
    """While one is in force nothing of the mailbox expires, whatever its jobs say.

    Released ones stay: they say who kept what, and why.
    """

    mailbox = TenantForeignKey("backups.Mailbox", on_delete=models.CASCADE, related_name="holds")
    reason = models.CharField(max_length=500)
    placed_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    release_reason = models.CharField(max_length=500, blank=True)
    released_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    released_at = models.DateTimeField(null=True)

    objects = TenantManager.from_queryset(LegalHoldQuerySet)()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("placed_at",)
        indexes = [
            models.Index(fields=["mailbox"], condition=Q(released_at=None), name="holds_in_force"),
        ]

    def __str__(self) -> str:
        return self.reason


class ClockWatch(GlobalModel):
    """One row: what the database's clock said at the last tick, and whether it jumped."""

    is_only = models.BooleanField(default=True, unique=True)
    seen_at = models.DateTimeField()
    came_from = models.DateTimeField(null=True, help_text="What it said before it jumped ahead.")
    waits_until = models.DateTimeField(null=True, help_text="Nothing expires before that.")

    def __str__(self) -> str:
        return f"{self.seen_at:%Y-%m-%d %H:%M:%S}"


class CollectionRunQuerySet(TenantQuerySet["CollectionRun"]):
    def newest(self) -> CollectionRunQuerySet:
        """The last run over each share."""
        return self.order_by("tenant_id", "repository_id", "-created_at").distinct(
            "tenant_id", "repository_id"
        )

    def of_share(self, allocation: Allocation) -> CollectionRunQuerySet:
        return self.filter(tenant=allocation.tenant_id, repository=allocation.repository_id)

    def open(self) -> CollectionRunQuerySet:
        return self.filter(state__in=OPEN)


class CollectionState(models.TextChoices):
    """Queued becomes running or paused; running becomes queued, paused or final."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "success", "Success"
    FAILED = "failed", "Broken off"
    STOPPED = "stopped", "Stopped"


OPEN = (CollectionState.QUEUED, CollectionState.RUNNING, CollectionState.PAUSED)


class Phase(models.TextChoices):
    CHAINS = "chains", "Looking at mailboxes"
    REFERENCES = "references", "Reading what is needed"
    DELETING = "deleting", "Deleting"
    REPACKING = "repacking", "Copying what is needed"


class CollectionRun(TenantModel):
    """One run of collection over a tenant's share of a repository, and what it did.

    Its row is queue, lease, progress and result in one. ``attempt`` is the fencing token: nothing
    is given up for good without the row held under it.
    """

    class Asked(models.TextChoices):
        PAUSE = "pause", "Pause"
        STOP = "stop", "Stop"

    repository = models.ForeignKey("backups.Repository", on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=CollectionState, default=CollectionState.QUEUED)
    asked = models.CharField(max_length=8, choices=Asked, blank=True)
    reason = models.TextField(blank=True, help_text="For the provider: it may name objects.")
    remarks = models.TextField(
        blank=True, help_text="One on each line: what was left out, and why. For the provider."
    )
    may_take_most = models.BooleanField(
        default=False, help_text="An operator said that most of the packs may go."
    )
    is_too_much = models.BooleanField(
        default=False, help_text="It was broken off because most of the packs would have gone."
    )
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="Tries that ended without a result."
    )
    not_before = models.DateTimeField(db_default=Now())
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    phase = models.CharField(max_length=10, choices=Phase, blank=True)
    phase_done = models.BigIntegerField(default=0)
    phase_total = models.BigIntegerField(default=0)
    requested_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    packs = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)
    deleted_bytes = models.BigIntegerField(default=0)
    doomed = models.BigIntegerField(default=0)
    repacked = models.BigIntegerField(default=0)
    spared = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)
    damaged = models.BigIntegerField(
        default=0, help_text="Needed blobs that are known to be damaged; their packs are kept."
    )
    refused = models.BigIntegerField(default=0, help_text="Packs that could not be deleted.")

    objects = TenantManager.from_queryset(CollectionRunQuerySet)()

    class Meta(TenantModel.Meta):
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "repository"],
                condition=Q(state__in=OPEN),
                name="one_open_collection",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, state__in=OPEN)
                | (Q(ended_at__isnull=False) & ~Q(state__in=OPEN)),
                name="ended_collection_has_a_result",
            ),
            models.CheckConstraint(
                condition=~Q(state=CollectionState.RUNNING)
                | Q(lease_until__isnull=False, attempt__gte=1),
                name="running_collection_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "repository", "-created_at"], name="collections_of_a_share"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}: {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN
