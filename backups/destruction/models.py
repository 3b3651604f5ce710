from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.isolation.tables import (
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
    TenantModel,
)


class Destruction(IdentifiedTenantModel):
    """The backups of one mailbox, or of the whole tenant, that are destroyed on request.

    Its rows went in the transaction that made this row; the keys' copies and the ciphertext go
    place by place. What the certificate will say is gathered here, for it is nowhere else then.
    """

    mailbox_id = models.UUIDField(
        null=True, help_text="As the repositories know it; empty: the whole tenant."
    )
    subject = models.CharField(max_length=320, help_text="The mailbox's address, or the tenant.")
    reason = models.CharField(max_length=500)
    requested_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    requester = models.CharField(max_length=254, help_text="The e-mail, whoever is deleted later.")
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    facts = models.JSONField(default=dict, help_text="Rows and keys that went from the database.")
    finished_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("-requested_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mailbox_id"],
                condition=Q(finished_at=None),
                nulls_distinct=False,
                name="one_open_destruction",
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class DestructionPlace(IdentifiedTenantModel):
    """One repository in which copies of the keys and ciphertext have to go.

    ``next_try_at`` is queue and lease in one: whoever moves it on works on the place.
    """

    destruction = TenantForeignKey(Destruction, on_delete=models.CASCADE, related_name="places")
    repository = models.ForeignKey("backups.Repository", on_delete=models.PROTECT, related_name="+")
    allocation = models.CharField(max_length=100, help_text="The share's name at that time.")
    next_try_at = models.DateTimeField(
        null=True, db_default=Now(), help_text="Empty: nothing is left to be done."
    )
    failures = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, help_text="For the provider: it may name paths.")
    keys_gone_at = models.DateTimeField(null=True)
    keys = models.JSONField(default=list, help_text="Objects that went: name, sha256, wrapped_by.")
    found = models.JSONField(default=dict, help_text="Ciphertext by kind: objects and bytes.")
    left = models.JSONField(default=dict, help_text="The same, which the storage would not delete.")
    left_reason = models.TextField(blank=True)
    swept_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("allocation", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["destruction", "repository"], name="once_in_each_repository"
            ),
            models.CheckConstraint(
                condition=Q(swept_at=None) | Q(keys_gone_at__isnull=False),
                name="keys_go_before_ciphertext",
            ),
        ]
        indexes = [
            # The tick: places of all tenants where something is to be done.
            models.Index(
                fields=["next_try_at"],
                condition=Q(next_try_at__isnull=False),
                name="due_destructions",
            ),
        ]

    def __str__(self) -> str:
        return self.allocation


class DestructionCertificate(TenantModel):
    """What was destroyed, when, for whom and why. It can be added and read, never changed.

    It outlives the tenant: its reference to him is bound by nothing.
    """

    id = models.UUIDField(primary_key=True, editable=False, help_text="That of the destruction.")
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    tenant_name = models.CharField(max_length=200)
    subject = models.CharField(max_length=320)
    content = models.TextField(help_text="Canonical JSON.")
    sha256 = models.CharField(max_length=64, help_text="Of the content in UTF-8.")
    issued_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        ordering = ("-issued_at",)
        indexes = [models.Index(fields=["tenant", "-issued_at"], name="certificates_newest_first")]

    def __str__(self) -> str:
        return self.subject
