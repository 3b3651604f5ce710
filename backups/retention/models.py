from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.isolation.tables import (
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
    TenantModel,
    TenantQuerySet,
)


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


class CollectionRunQuerySet(TenantQuerySet["CollectionRun"]):
    def newest(self) -> CollectionRunQuerySet:
        """The last run over each share."""
        return self.order_by("tenant_id", "repository_id", "-started_at").distinct(
            "tenant_id", "repository_id"
        )


class CollectionRun(TenantModel):
    """One run of collection over a tenant's share of a repository, and what it did."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "success", "Success"
        ABORTED = "failed", "Failed"

    repository = models.ForeignKey("backups.Repository", on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    reason = models.TextField(blank=True, help_text="For the provider: it may name objects.")
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)
    packs = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)
    deleted_bytes = models.BigIntegerField(default=0)
    doomed = models.BigIntegerField(default=0)
    repacked = models.BigIntegerField(default=0)
    spared = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)

    objects = TenantManager.from_queryset(CollectionRunQuerySet)()

    class Meta(TenantModel.Meta):
        ordering = ("-started_at",)
        indexes = [
            models.Index(fields=["repository", "-started_at"], name="newest_collections"),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}: {self.state}"
