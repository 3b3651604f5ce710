from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backups.sessions.querysets import SessionQuerySet
from tenants.isolation.tables import (
    IdentifiedTenantModel,
    TenantForeignKey,
    TenantManager,
    TenantModel,
)


class State(models.TextChoices):
    """States of sessions and tasks.

    Queued becomes running, failed or stopped; running becomes queued again or final. Every change
    is a conditional UPDATE that names the state before it, and nothing follows a final one.
    """

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCESS = "success", "Success"
    WARNING = "warning", "Warning"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


FINAL = (State.SUCCESS, State.WARNING, State.FAILED, State.STOPPED)


class Kind(models.TextChoices):
    BACKUP = "backup", "Backup"
    RESTORE = "restore", "Restore"


class Counters(models.Model):
    """What a session counts; each task counts its own share."""

    items_seen = models.BigIntegerField(default=0)
    items_new = models.BigIntegerField(default=0)
    items_removed = models.BigIntegerField(default=0)
    items_failed = models.BigIntegerField(default=0)
    items_merged = models.BigIntegerField(default=0)
    items_skipped = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    bytes_new = models.BigIntegerField(default=0)
    bytes_stored = models.BigIntegerField(default=0)
    requests = models.BigIntegerField(default=0)
    throttled_seconds = models.FloatField(default=0)

    class Meta:
        abstract = True

    @classmethod
    def counter_names(cls) -> list[str]:
        return [field.name for field in Counters._meta.local_fields]


class Session(IdentifiedTenantModel, Counters):
    """One run of a job, or one restore."""

    kind = models.CharField(max_length=10, choices=Kind)
    job = TenantForeignKey(
        "backups.Job", on_delete=models.CASCADE, null=True, related_name="sessions"
    )
    organization = TenantForeignKey(
        "backups.Organization", on_delete=models.CASCADE, related_name="sessions"
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    reason = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        "tenants.Person", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    prepare_after = models.DateTimeField(
        db_default=Now(), help_text="When the organization may be asked for its mailboxes again."
    )
    prepare_failures = models.PositiveSmallIntegerField(default=0)
    mailboxes_total = models.IntegerField(default=0)
    mailboxes_done = models.IntegerField(default=0)

    objects = TenantManager.from_queryset(SessionQuerySet)()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("-created_at",)
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, state__in=[State.QUEUED, State.RUNNING])
                | Q(ended_at__isnull=False, state__in=list(FINAL)),
                name="ended_session_has_a_result",
            ),
            # Two operators press start, or the tick and an operator: one session runs.
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(state__in=[State.QUEUED, State.RUNNING]),
                name="one_open_session_per_job",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at"], name="sessions_newest_first"),
            models.Index(fields=["job", "-created_at"], name="sessions_of_a_job"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.state in (State.QUEUED, State.RUNNING)


class Task(IdentifiedTenantModel, Counters):
    """One mailbox of a session: the queue of record (docs/architecture.md, "Queue").

    ``attempt`` is the fencing token: it rises with each claim, and every write of a worker
    names it, so a worker that lost its lease can change nothing.
    """

    session = TenantForeignKey(Session, on_delete=models.CASCADE, related_name="tasks")
    mailbox = TenantForeignKey("backups.Mailbox", on_delete=models.CASCADE, related_name="tasks")
    backup = TenantForeignKey(
        "backups.MailboxBackup", on_delete=models.CASCADE, related_name="tasks"
    )
    repository = models.ForeignKey("backups.Repository", on_delete=models.PROTECT, related_name="+")
    queue = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    reason = models.TextField(blank=True)
    not_before = models.DateTimeField(db_default=Now())
    attempt = models.PositiveIntegerField(default=0)
    fence = models.BigIntegerField(
        null=True, help_text="Rises with every claim of any task; empty while nobody works on it."
    )
    lost_fence = models.BigIntegerField(
        null=True, help_text="The lowest of workers that stopped reporting and may wake up again."
    )
    lost_head = models.PositiveIntegerField(
        null=True, help_text="The backup's head when the last of these was given up."
    )
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="Failed tries since something was last stored."
    )
    deaths = models.PositiveSmallIntegerField(
        default=0, help_text="Workers that stopped reporting since one last did."
    )
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    items_expected = models.BigIntegerField(default=0)
    items_handled = models.BigIntegerField(
        default=0, help_text="Live: committed or not. The counters count what is committed."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("created_at", "id")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state=State.RUNNING) | Q(lease_until__isnull=False, attempt__gte=1),
                name="running_task_has_a_lease",
            ),
            models.UniqueConstraint(
                fields=["backup"],
                condition=Q(state=State.RUNNING, kind=Kind.BACKUP),
                name="one_writer_per_mailbox",
            ),
            models.UniqueConstraint(fields=["session", "mailbox"], name="one_task_per_mailbox"),
        ]
        indexes = [
            # The claim: waiting tasks of one queue, oldest first.
            models.Index(
                fields=["queue", "not_before", "created_at"],
                condition=Q(state=State.QUEUED),
                name="waiting_tasks",
            ),
            # The tick: leases that ran out.
            models.Index(
                fields=["lease_until"], condition=Q(state=State.RUNNING), name="running_tasks"
            ),
            models.Index(fields=["session", "state"], name="tasks_of_a_session"),
        ]

    def __str__(self) -> str:
        return f"{self.mailbox_id} in {self.session_id}"


class SessionLog(TenantModel):
    """A line of a session's log. It names items by id, never by what is in them."""

    class Level(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    session = TenantForeignKey(Session, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(db_default=Now(), editable=False)
    level = models.CharField(max_length=8, choices=Level)
    mailbox = models.CharField(max_length=320, blank=True)
    item_id = models.CharField(max_length=600, blank=True)
    message = models.TextField()

    objects = TenantManager()

    class Meta(TenantModel.Meta):
        ordering = ("id",)
        indexes = [models.Index(fields=["session", "id"], name="log_of_a_session")]

    def __str__(self) -> str:
        return self.message
