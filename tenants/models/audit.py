from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from tenants.isolation.tables import IdentifiedTenantModel, TenantManager


class AuditEvent(IdentifiedTenantModel):
    """Who did what. The service's roles may add rows and read them, nothing else."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    person = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        # The audit page reads a tenant's newest events first.
        indexes = [models.Index(fields=["tenant", "-at"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
