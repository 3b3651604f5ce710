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


class Level(models.TextChoices):
    """What a verification looks at. Chains of commits and wrapped keys are tried by each."""

    STRUCTURE = "structure", "Structure"
    SAMPLE = "sample", "Sample"
    FULL = "full", "Everything"
    REPAIR = "repair", "Known damage"


class State(models.TextChoices):
    """Queued becomes running or paused; running becomes queued, paused or final."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    SUCCESS = "success", "Nothing found"
    WARNING = "warning", "Damage found"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


OPEN = (State.QUEUED, State.RUNNING, State.PAUSED)


class Verification(IdentifiedTenantModel):
    """One walk over an allocation. Its row is queue, lease, progress and result in one.

    ``attempt`` is the fencing token: whatever a worker writes names it.
    """

    class Asked(models.TextChoices):
        PAUSE = "pause", "Pause"
        STOP = "stop", "Stop"

    allocation = TenantForeignKey(
        "backups.Allocation", on_delete=models.CASCADE, related_name="verifications"
    )
    level = models.CharField(max_length=10, choices=Level)
    percent = models.FloatField(default=100, help_text="Of the items, which are read.")
    start = models.FloatField(default=0, help_text="Where the sample begins, from 0 to 100.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    asked = models.CharField(max_length=10, choices=Asked, blank=True)
    reason = models.TextField(blank=True)
    position = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="Tries that ended badly since it last got on."
    )
    not_before = models.DateTimeField(db_default=Now())
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    packs_total = models.BigIntegerField(default=0)
    packs_done = models.BigIntegerField(default=0)
    mailboxes_total = models.IntegerField(default=0)
    mailboxes_done = models.IntegerField(default=0)
    items_read = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    found = models.BigIntegerField(default=0, help_text="Items and objects newly found damaged.")
    healed = models.BigIntegerField(default=0)
    requested_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["allocation"],
                condition=Q(state__in=OPEN),
                name="one_open_verification",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, state__in=OPEN)
                | (Q(ended_at__isnull=False) & ~Q(state__in=OPEN)),
                name="ended_verification_has_a_result",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.RUNNING) | Q(lease_until__isnull=False, attempt__gte=1),
                name="running_verification_has_a_lease",
            ),
        ]
        indexes = [
            # The tick: when was this level last looked at.
            models.Index(
                fields=["allocation", "level", "-created_at"], name="verifications_of_a_share"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()} of {self.allocation_id}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class DamagedObject(TenantModel):
    """An object of the repository that is not what was written, or one blob in a pack.

    A blob that stands here is in quarantine: the blob index does not lead to this copy of it, so
    the next backup of the same content stores it anew.
    """

    repository = models.ForeignKey("backups.Repository", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=300)
    reason = models.TextField()
    blob = models.BinaryField(null=True)
    pack = models.CharField(max_length=100, blank=True)
    offset = models.BigIntegerField(null=True)
    length = models.BigIntegerField(null=True)
    quarantined = models.BooleanField(
        default=True, help_text="The blob index must not lead to this copy, healed or not."
    )
    found_at = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(db_default=Now())
    healed_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "repository", "name"], name="one_damage_per_object"
            ),
            models.CheckConstraint(
                condition=Q(blob__isnull=True)
                | Q(offset__isnull=False, length__isnull=False) & ~Q(pack=""),
                name="damaged_blob_has_a_place",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DamagedItem(TenantModel):
    """What damage costs the tenant: an item version that can't be read back whole."""

    backup = TenantForeignKey(
        "backups.MailboxBackup", on_delete=models.CASCADE, related_name="damaged_items"
    )
    item_id = models.CharField(max_length=600)
    first = models.PositiveIntegerField(help_text="The commit that the version came with.")
    point = models.PositiveIntegerField(
        null=True, help_text="The first restore point that has it; empty: none yet."
    )
    reason = models.TextField()
    found_at = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(db_default=Now())
    healed_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        ordering = ("backup", "first", "item_id")
        constraints = [
            models.UniqueConstraint(
                fields=["backup", "item_id", "first"], name="one_damage_per_version"
            ),
        ]

    def __str__(self) -> str:
        return self.item_id
