from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from backups.organizations.querysets import MailboxQuerySet
from tenants.isolation.tables import (
    GlobalModel,
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
)


class Organization(IdentifiedTenantModel):
    """An Exchange organization of a tenant, and how to connect to it."""

    class Kind(models.TextChoices):
        ONLINE = "online", "Exchange Online"
        ON_PREMISES = "on_premises", "Exchange Server"
        HYBRID = "hybrid", "Hybrid"

    class State(models.TextChoices):
        NEW = "new", "Not checked yet"
        CONNECTED = "connected", "Connected"
        FAILED = "failed", "Connection failed"

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.ONLINE)
    directory = models.CharField(max_length=100, help_text="Entra tenant id or its domain.")
    authority = models.URLField(default="https://login.microsoftonline.com")
    graph_url = models.URLField(default="https://graph.microsoft.com")
    client_id = models.CharField(max_length=100)
    certificate = models.TextField(help_text="PEM, the public half of the app's credential.")
    sealed_private_key = models.BinaryField()
    trust = models.TextField(
        blank=True, help_text="PEM of the authority to trust, where it is not a public one."
    )
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    state_reason = models.TextField(blank=True)
    discovered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_organization_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Mailbox(IdentifiedTenantModel):
    """A mailbox as the organization's directory lists it; kept when it vanishes (retired)."""

    organization = TenantForeignKey(
        Organization, on_delete=models.CASCADE, related_name="mailboxes"
    )
    source_id = models.CharField(max_length=200)
    address = models.CharField(max_length=320)
    name = models.CharField(max_length=300)
    kind = models.CharField(max_length=20)
    seen_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True)

    objects = TenantManager.from_queryset(MailboxQuerySet)()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("name", "address")
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "source_id"], name="one_row_per_mailbox"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class ApplicationBudget(GlobalModel):
    """Requests that may still be made with one application, and a wait that a server asked for.

    Shared by all workers on all hosts. ``key`` says whose, and tells nobody who reads it.
    """

    key = models.BinaryField(max_length=32, unique=True)
    requests = models.FloatField(default=0)
    filled_at = models.DateTimeField(db_default=Now())
    held_until = models.DateTimeField(null=True)
