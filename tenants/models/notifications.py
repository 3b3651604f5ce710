from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.isolation.tables import (
    EntryModel,
    GlobalModel,
    IdentifiedTenantModel,
    TenantManager,
)


class Recipient(IdentifiedTenantModel):
    """An address of the tenant that hears of its sessions."""

    email = models.EmailField(max_length=254)
    on_success = models.BooleanField(default=True)
    on_warning = models.BooleanField(default=True)
    on_failure = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("email",)
        constraints = [
            models.UniqueConstraint(fields=["tenant", "email"], name="one_recipient_per_address"),
        ]

    def __str__(self) -> str:
        return self.email


class OutboxMessage(EntryModel):
    """An e-mail on its way. Written with what caused it, in one transaction; sent afterwards.

    The provider's own messages have no tenant; a tenant sees only its own. ``cause`` makes a
    message unique: what happened once is told once.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, null=True, related_name="+"
    )
    cause = models.CharField(max_length=200, unique=True)
    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = [
            # The outbox task: what is to be sent now, oldest first.
            models.Index(
                fields=["next_attempt_at"], condition=Q(state="waiting"), name="waiting_messages"
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class EmailSettings(GlobalModel):
    """How the provider's installation sends e-mail; one row at most."""

    class Delivery(models.TextChoices):
        FOLDER = "folder", "Into a folder, as files"
        SMTP = "smtp", "By SMTP"

    class Security(models.TextChoices):
        NONE = "none", "None"
        STARTTLS = "starttls", "STARTTLS"
        TLS = "tls", "TLS"

    only = models.BooleanField(default=True, unique=True, editable=False)
    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.FOLDER)
    sender = models.EmailField(max_length=254, default="stowage@localhost.localdomain")
    sender_name = models.CharField(max_length=100, default="Stowage")
    host = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(default=587)
    security = models.CharField(max_length=10, choices=Security, default=Security.STARTTLS)
    username = models.CharField(max_length=255, blank=True)
    sealed_password = models.BinaryField(default=bytes)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(only=True), name="email_settings_are_one_row"),
        ]

    def __str__(self) -> str:
        return self.get_delivery_display()
