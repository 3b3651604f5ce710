from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from portal.ids import uuid7
from tenants.isolation.tables import EntryModel, TenantManager, TenantModel
from tenants.time_zones import validate_time_zone


class Tenant(EntryModel):
    """A customer of the provider. Members read their tenants' rows before one is entered."""

    class State(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    name = models.CharField(max_length=200)
    slug = models.CharField(
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")],
        help_text="Lower-case letters, digits and hyphens; part of the tenant's addresses.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class TenantKey(TenantModel):
    """The tenant's keys, wrapped by the root key (docs/keys.md). Nothing overwrites a version."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="one_key_per_version"),
        ]

    def __str__(self) -> str:
        return f"key {self.version}"
