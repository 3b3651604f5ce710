from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from portal.ids import uuid7
from tenants.isolation.tables import (
    GlobalModel,
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
)


class Proxy(GlobalModel):
    """A worker host that moves data. Only the operator's role reads this table."""

    class State(models.TextChoices):
        READY = "ready", "Ready"
        MAINTENANCE = "maintenance", "Maintenance"

    name = models.CharField(max_length=100, unique=True)
    is_default = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=State, default=State.READY)
    host = models.CharField(max_length=255, blank=True)
    version = models.CharField(max_length=40, blank=True)
    tasks_at_once = models.PositiveSmallIntegerField(default=2)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "proxies"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_proxy"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The Celery queue that this proxy's workers listen to: ``proxy_`` and 12 hex digits."""
        return f"proxy_{self.id.hex[-12:]}"


class Repository(GlobalModel):
    """Where backup data lives. It belongs to exactly one proxy."""

    class Kind(models.TextChoices):
        FOLDER = "folder", "Folder"

    proxy = models.ForeignKey(Proxy, on_delete=models.PROTECT, related_name="repositories")
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.FOLDER)
    location = models.CharField(max_length=1000)
    capacity_bytes = models.BigIntegerField(null=True)
    free_bytes = models.BigIntegerField(null=True)
    checked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "repositories"

    def __str__(self) -> str:
        return self.name


class Allocation(IdentifiedTenantModel):
    """The share of a repository that an operator gives to a tenant.

    The tenant sees the allocation's own name, never the repository's path or host.
    """

    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    quota_bytes = models.BigIntegerField(null=True)
    used_bytes = models.BigIntegerField(default=0)
    verify_percent = models.PositiveSmallIntegerField(
        default=5, help_text="Of the items, in one sample."
    )
    verify_sample_days = models.PositiveSmallIntegerField(
        null=True, default=7, help_text="Days between two samples; empty: never."
    )
    verify_structure_days = models.PositiveSmallIntegerField(
        null=True, default=30, help_text="Days between two looks at every object; empty: never."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "repository"], name="one_allocation_per_repository"
            ),
            models.CheckConstraint(
                condition=models.Q(verify_percent__range=(1, 100)),
                name="sample_is_a_percentage",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MailboxKey(IdentifiedTenantModel):
    """A mailbox's key, wrapped by the tenant's key. Nothing overwrites a version."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mailbox = TenantForeignKey("backups.Mailbox", on_delete=models.PROTECT, related_name="keys")
    version = models.PositiveIntegerField(default=1)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["mailbox", "version"], name="one_key_per_mailbox"),
        ]

    def __str__(self) -> str:
        return f"key {self.version} of {self.mailbox_id}"
