"""Tables that are read before a tenant is entered: invitations and API keys.

Besides the tenant's rows, ``portal_app`` sees the one row whose hash is in ``app.entry_hash``
(``show_entry``): whoever holds the secret may read that row, and nothing else.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from tenants.isolation.tables import EntryModel
from tenants.people.permissions import Role


class Invitation(EntryModel):
    """A person was asked to join a tenant. The link holds the secret; only its hash is kept."""

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=20, choices=Role)
    hash = models.BinaryField(unique=True)
    invited_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                "tenant",
                Lower("email"),
                condition=Q(accepted_at=None),
                name="one_open_invitation_per_email",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class ApiKey(EntryModel):
    """A credential of a machine: of the provider (no tenant), or of one tenant.

    Shown once as ``stw_<prefix>_<secret>``; the hash of the whole is kept.
    """

    class Scope(models.TextChoices):
        TENANTS_READ = "tenants:read", "Read tenants"
        USAGE_READ = "usage:read", "Read usage"

    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, null=True, related_name="+"
    )
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True)
    hash = models.BinaryField(unique=True)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name
