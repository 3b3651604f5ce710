from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from tenants.isolation.tables import TenantForeignKey, TenantManager, TenantModel


class RestoreItem(TenantModel):
    """One item version that a restore brings back, and what became of it."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        RESTORED = "restored", "Restored"
        MERGED = "merged", "Already there"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"

    task = TenantForeignKey("backups.Task", on_delete=models.CASCADE, related_name="restore_items")
    version = TenantForeignKey("backups.ItemVersion", on_delete=models.CASCADE, related_name="+")
    target_folder = models.CharField(
        max_length=255, blank=True, help_text="Empty restores to the folder it came from."
    )
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    restored_id = models.CharField(max_length=600, blank=True)
    reason = models.TextField(blank=True)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["task", "version"], name="one_restore_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.state}"


class BasketItem(TenantModel):
    """An item version that a person has put aside to restore or download."""

    person = models.ForeignKey("tenants.Person", on_delete=models.CASCADE, related_name="+")
    version = TenantForeignKey("backups.ItemVersion", on_delete=models.CASCADE, related_name="+")
    added_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["person", "version"], name="once_in_a_basket"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} of {self.person_id}"
