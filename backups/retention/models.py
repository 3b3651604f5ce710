from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.isolation.tables import (
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
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
