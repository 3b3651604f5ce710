"""The projection of commits (docs/architecture.md, "Catalog"): rebuilt from a repository alone.

An item version is an interval: it exists from commit ``first`` until before commit ``last``
(empty: still there). The state at restore point P is ``first <= P and (last is null or last > P)``.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from backups.catalog.pages import EARLIEST
from backups.catalog.querysets import FolderQuerySet, ItemVersionQuerySet, RestorePointQuerySet
from tenants.isolation.tables import (
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
    TenantModel,
)


class MailboxBackup(IdentifiedTenantModel):
    """One mailbox in one allocation: a chain of commits, and how far it is projected here."""

    mailbox = TenantForeignKey("backups.Mailbox", on_delete=models.PROTECT, related_name="backups")
    allocation = TenantForeignKey(
        "backups.Allocation", on_delete=models.PROTECT, related_name="backups"
    )
    head = models.PositiveIntegerField(default=0)
    head_hash = models.BinaryField(default=bytes(32))
    current_at = models.DateTimeField(
        null=True, help_text="When a complete run last found the head to be the mailbox's state."
    )
    rebuild_wanted = models.BooleanField(
        default=False, help_text="Its rows are to be made again from the repository."
    )
    holds = models.JSONField(
        default=dict, help_text="Legal holds in force as the chain tells, by id: their reasons."
    )
    retention_due_at = models.DateTimeField(
        db_default=Now(), help_text="When retention looks at it next."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["mailbox", "allocation"], name="one_backup_per_allocation"
            ),
        ]
        indexes = [
            # The tick: backups of all tenants that retention has to look at.
            models.Index(fields=["retention_due_at"], name="due_for_retention"),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id} in {self.allocation_id}"


class RestorePoint(TenantModel):
    """A complete commit: the state of a mailbox at the end of a session."""

    backup = TenantForeignKey(MailboxBackup, on_delete=models.CASCADE, related_name="points")
    sequence = models.PositiveIntegerField()
    taken_at = models.DateTimeField()
    items = models.BigIntegerField()
    bytes = models.BigIntegerField()

    objects = TenantManager.from_queryset(RestorePointQuerySet)()

    class Meta(TenantModel.Meta):
        ordering = ("-sequence",)
        constraints = [
            models.UniqueConstraint(fields=["backup", "sequence"], name="one_point_per_commit"),
        ]

    def __str__(self) -> str:
        return f"{self.taken_at:%Y-%m-%d %H:%M}"


class Folder(TenantModel):
    """A folder of a mailbox, from commit ``first`` until before commit ``last``."""

    backup = TenantForeignKey(MailboxBackup, on_delete=models.CASCADE, related_name="folders")
    folder_id = models.CharField(max_length=600)
    parent_id = models.CharField(max_length=600, blank=True)
    name = models.CharField(max_length=1000)
    kind = models.CharField(max_length=255, blank=True)
    well_known = models.CharField(max_length=100, blank=True)
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField(null=True)

    objects = TenantManager.from_queryset(FolderQuerySet)()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["backup", "folder_id"],
                condition=Q(last__isnull=True),
                name="one_current_folder",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ItemVersion(TenantModel):
    """A version of an item. ``references`` (recipe and blob keys) are sealed with the mailbox key.

    Never granted to the operator's role.
    """

    # No key and no index of their own: every row written would pay for what the composite key
    # to the backup, and the indexes below, do as well.
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    backup = TenantForeignKey(
        MailboxBackup, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    item_id = models.CharField(max_length=600)
    change_key = models.CharField(max_length=300)
    folder_id = models.CharField(max_length=600)
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField(null=True)
    item_class = models.CharField(max_length=255)
    subject = models.TextField(blank=True)
    sender = models.TextField(blank=True)
    recipients = models.TextField(blank=True)
    message_id = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(null=True)
    size = models.BigIntegerField()
    is_read = models.BooleanField(default=False)
    is_draft = models.BooleanField(default=False)
    is_flagged = models.BooleanField(default=False)
    importance = models.SmallIntegerField(default=1)
    attachments = models.JSONField(default=list)
    categories = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    digest = models.BinaryField()
    sha256 = models.BinaryField()
    references = models.BinaryField()
    search = SearchVectorField(default="", editable=False)

    objects = TenantManager.from_queryset(ItemVersionQuerySet)()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["backup", "item_id"],
                condition=Q(last__isnull=True),
                name="one_current_version",
            ),
        ]
        indexes = [
            # A folder's page at a restore point, newest mail first.
            models.Index(
                F("backup"),
                F("folder_id"),
                Coalesce("received_at", EARLIEST).desc(),
                F("id").desc(),
                name="items_of_a_folder",
            ),
            # What was there earlier and is gone; also what a commit replaces.
            models.Index(F("backup"), F("item_id"), name="versions_of_an_item"),
            # Retention: what a mailbox held and holds no more.
            models.Index(
                fields=["backup", "last"],
                condition=Q(last__isnull=False),
                name="ended_items_of_a_backup",
            ),
            # The function of catalog/search.py: by words, or the newest of a tenant that fit.
            GinIndex(fields=["search"], name="items_by_words"),
            models.Index(
                F("tenant"),
                Coalesce("received_at", EARLIEST).desc(),
                F("id").desc(),
                name="newest_items",
            ),
        ]

    def __str__(self) -> str:
        return self.subject or "(no subject)"


class SyncCursor(TenantModel):
    """The delta token of one stream (``hierarchy`` or ``items:<folder>``), sealed."""

    backup = TenantForeignKey(MailboxBackup, on_delete=models.CASCADE, related_name="cursors")
    stream = models.CharField(max_length=700)
    sealed = models.BinaryField()

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["backup", "stream"], name="one_cursor_per_stream"),
        ]

    def __str__(self) -> str:
        return self.stream


class ItemFault(TenantModel):
    """The retry ledger: an item that the source listed and that could not be stored yet."""

    backup = TenantForeignKey(MailboxBackup, on_delete=models.CASCADE, related_name="faults")
    folder_id = models.CharField(max_length=600)
    item_id = models.CharField(max_length=600)
    reason = models.TextField()
    attempts = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["backup", "item_id"], name="one_fault_per_item"),
        ]

    def __str__(self) -> str:
        return self.reason


class Pack(TenantModel):
    """A durable pack; the sum of sizes is what the tenant physically stores."""

    repository = models.ForeignKey("backups.Repository", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    pack_class = models.CharField(max_length=1)
    size = models.BigIntegerField()
    stored_at = models.DateTimeField(db_default=Now(), editable=False)
    doomed_at = models.DateTimeField(
        null=True, help_text="When it was found to hold nothing that is kept: it is to go."
    )
    doomed_fence = models.BigIntegerField(
        null=True, help_text="Only workers with a lower number may still refer to it."
    )
    going_at = models.DateTimeField(
        null=True, help_text="When it was decided for good: it is never used again."
    )

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "repository", "name"], name="one_pack"),
        ]

    def __str__(self) -> str:
        return self.name


class BlobLocation(TenantModel):
    """Where a blob lies. A missing row may cost a duplicate, never correctness."""

    repository = models.ForeignKey("backups.Repository", on_delete=models.PROTECT, related_name="+")
    blob = models.BinaryField()
    pack = models.CharField(max_length=100)
    offset = models.BigIntegerField()
    length = models.BigIntegerField()

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "repository", "blob"], name="one_location_per_blob"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack} at {self.offset}"
