from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from backups.organizations.querysets import MailboxQuerySet
from backups.sources import reference_of
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
    directory = models.CharField(
        max_length=100, blank=True, help_text="Entra tenant id or its domain."
    )
    authority = models.URLField(default="https://login.microsoftonline.com")
    graph_url = models.URLField(default="https://graph.microsoft.com")
    client_id = models.CharField(max_length=100, blank=True)
    certificate = models.TextField(
        blank=True, help_text="PEM, the public half of the app's credential."
    )
    sealed_private_key = models.BinaryField(default=bytes)
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


class ExchangeServer(IdentifiedTenantModel):
    """How to reach the Exchange Server of an organization that has one of its own.

    ``oauth`` signs in with the organization's app registration, the others with the account.
    """

    class Auth(models.TextChoices):
        NTLM = "ntlm", "NTLM"
        BASIC = "basic", "Basic"
        OAUTH = "oauth", "OAuth, with the app registration"

    organization = TenantForeignKey(Organization, on_delete=models.CASCADE, related_name="servers")
    url = models.URLField(help_text="The https address of Exchange.asmx.")
    auth = models.CharField(max_length=8, choices=Auth, default=Auth.NTLM)
    account = models.CharField(max_length=320, blank=True)
    sealed_password = models.BinaryField(default=bytes)
    impersonation = models.BooleanField(default=True)
    trust = models.TextField(
        blank=True, help_text="PEM of the authority to trust, where it is not a public one."
    )
    proxy_url = models.URLField(blank=True, help_text="The web proxy in front of the server.")
    addresses = models.TextField(blank=True, help_text="Mailboxes to look for, one a line.")
    public_folders_through = models.CharField(
        max_length=320, blank=True, help_text="Address of a mailbox that sees the public folders."
    )

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organization"], name="one_server_per_organization"),
        ]

    def __str__(self) -> str:
        return self.url


class Mailbox(IdentifiedTenantModel):
    """A mailbox as the organization's directory lists it; kept when it vanishes (retired).

    One that moves between the cloud and the organization's own server keeps its row.
    """

    class System(models.TextChoices):
        ONLINE = "online", "Exchange Online"
        SERVER = "server", "Exchange Server"

    organization = TenantForeignKey(
        Organization, on_delete=models.CASCADE, related_name="mailboxes"
    )
    source_id = models.CharField(max_length=200)
    archive_id = models.CharField(
        max_length=200, blank=True, db_default="", help_text="The archive's id at its source."
    )
    address = models.CharField(max_length=320)
    name = models.CharField(max_length=300)
    kind = models.CharField(max_length=20)
    system = models.CharField(max_length=8, choices=System, default=System.ONLINE)
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

    @property
    def reference(self) -> str:
        """What the source calls the mailbox together with its archive."""
        return reference_of(self.source_id, self.archive_id)


class ApplicationBudget(GlobalModel):
    """Requests that may still be made with one application, and a wait that a server asked for.

    Shared by all workers on all hosts. ``key`` says whose, and tells nobody who reads it.
    """

    key = models.BinaryField(max_length=32, unique=True)
    requests = models.FloatField(default=0)
    filled_at = models.DateTimeField(db_default=Now())
    held_until = models.DateTimeField(null=True)
