from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backups.jobs.querysets import JobQuerySet
from backups.jobs.retention import Mode, Retention, Unit
from tenants.isolation.tables import (
    GlobalModel,
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
    TenantModel,
)


class Job(IdentifiedTenantModel):
    """A backup policy of one organization."""

    class State(models.TextChoices):
        STOPPED = "stopped", "Stopped"
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCESS = "success", "Success"
        WARNING = "warning", "Warning"
        FAILED = "failed", "Failed"
        DISCONNECTED = "disconnected", "Disconnected"
        NOT_CONFIGURED = "not_configured", "Not configured"

    class Scope(models.TextChoices):
        ORGANIZATION = "organization", "Entire organization"
        MAILBOXES = "mailboxes", "Selected mailboxes"

    class Schedule(models.TextChoices):
        MANUAL = "manual", "When started by hand"
        INTERVAL = "interval", "Every N minutes"
        DAILY = "daily", "Daily"

    organization = TenantForeignKey(
        "backups.Organization", on_delete=models.CASCADE, related_name="jobs"
    )
    allocation = TenantForeignKey(
        "backups.Allocation", on_delete=models.PROTECT, related_name="jobs"
    )
    name = models.CharField(max_length=200)
    enabled = models.BooleanField(default=True)
    state = models.CharField(max_length=16, choices=State, default=State.STOPPED)
    scope = models.CharField(max_length=16, choices=Scope, default=Scope.ORGANIZATION)
    schedule = models.CharField(max_length=10, choices=Schedule, default=Schedule.MANUAL)
    interval_minutes = models.PositiveIntegerField(null=True)
    daily_at = models.TimeField(null=True)
    retention_mode = models.CharField(max_length=8, choices=Mode, default=Mode.FOREVER)
    retention_count = models.PositiveIntegerField(null=True)
    retention_unit = models.CharField(max_length=8, choices=Unit, default=Unit.DAYS)
    excluded_folders = models.JSONField(
        default=list, blank=True, help_text="Names of folders that are left out, with all below."
    )
    next_run_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager.from_queryset(JobQuerySet)()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_job_per_name"),
            models.CheckConstraint(
                condition=Q(schedule="manual", interval_minutes=None, daily_at=None)
                | Q(
                    schedule="interval",
                    # By itself: an empty value makes ">= 5" unknown, which a check lets pass.
                    interval_minutes__isnull=False,
                    interval_minutes__gte=5,
                    daily_at=None,
                )
                | Q(schedule="daily", interval_minutes=None, daily_at__isnull=False),
                name="schedule_is_complete",
            ),
            models.CheckConstraint(
                condition=Q(retention_mode="forever", retention_count=None)
                | Q(
                    retention_mode__in=["points", "items"],
                    retention_count__isnull=False,
                    retention_count__gte=1,
                ),
                name="retention_is_complete",
            ),
        ]
        indexes = [
            # The tick claims due jobs of all tenants, oldest first.
            models.Index(
                fields=["next_run_at"],
                condition=Q(enabled=True, next_run_at__isnull=False),
                name="due_jobs",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def retention(self) -> Retention:
        return Retention(self.retention_mode, self.retention_count, self.retention_unit)

    @retention.setter
    def retention(self, kept: Retention) -> None:
        self.retention_mode, self.retention_count = kept.mode, kept.count
        self.retention_unit = kept.unit


class Coverage(TenantModel):
    """A mailbox that a job protects. At most one job covers a mailbox in a repository."""

    job = TenantForeignKey(Job, on_delete=models.CASCADE, related_name="coverage")
    mailbox = TenantForeignKey("backups.Mailbox", on_delete=models.CASCADE, related_name="coverage")
    repository = models.ForeignKey("backups.Repository", on_delete=models.PROTECT, related_name="+")

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["mailbox", "repository"], name="one_job_per_mailbox_and_repository"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id} by {self.job_id}"


class ExcludedMailbox(TenantModel):
    """A mailbox that a job of scope "entire organization" leaves out."""

    job = TenantForeignKey(Job, on_delete=models.CASCADE, related_name="excluded_mailboxes")
    mailbox = TenantForeignKey("backups.Mailbox", on_delete=models.CASCADE, related_name="+")

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["job", "mailbox"], name="one_exclusion_per_mailbox"),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id} not by {self.job_id}"


class GlobalExclusion(GlobalModel):
    """A folder that no job of any tenant backs up; set by the provider."""

    name = models.CharField(
        max_length=255,
        unique=True,
        help_text="A folder's name, or the name of its role such as junkemail.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
