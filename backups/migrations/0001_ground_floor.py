import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import portal.ids
import tenants.isolation.tables
from tenants.isolation.operations import APPEND, NOTHING, READ, WRITE, GrantTable, IsolateTable


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_ground_floor"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Allocation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("quota_bytes", models.BigIntegerField(null=True)),
                ("used_bytes", models.BigIntegerField(default=0)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Mailbox",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("source_id", models.CharField(max_length=200)),
                ("address", models.CharField(max_length=320)),
                ("name", models.CharField(max_length=300)),
                ("kind", models.CharField(max_length=20)),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("retired_at", models.DateTimeField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("name", "address"),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="MailboxBackup",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("head", models.PositiveIntegerField(default=0)),
                (
                    "head_hash",
                    models.BinaryField(
                        default=b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                    ),
                ),
                (
                    "current_at",
                    models.DateTimeField(
                        help_text="When a complete run last found the head to be the mailbox's state.",
                        null=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "allocation",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="backups",
                        to="backups.allocation",
                    ),
                ),
                (
                    "mailbox",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="backups",
                        to="backups.mailbox",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ItemVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item_id", models.CharField(max_length=600)),
                ("change_key", models.CharField(max_length=300)),
                ("folder_id", models.CharField(max_length=600)),
                ("first", models.PositiveIntegerField()),
                ("last", models.PositiveIntegerField(null=True)),
                ("item_class", models.CharField(max_length=255)),
                ("subject", models.TextField(blank=True)),
                ("sender", models.TextField(blank=True)),
                ("recipients", models.TextField(blank=True)),
                ("message_id", models.TextField(blank=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("received_at", models.DateTimeField(null=True)),
                ("size", models.BigIntegerField()),
                ("is_read", models.BooleanField(default=False)),
                ("importance", models.SmallIntegerField(default=1)),
                ("attachments", models.JSONField(default=list)),
                ("categories", models.JSONField(default=list)),
                ("notes", models.JSONField(default=list)),
                ("digest", models.BinaryField()),
                ("sha256", models.BinaryField()),
                ("references", models.BinaryField()),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "backup",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="backups.mailboxbackup",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ItemFault",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("folder_id", models.CharField(max_length=600)),
                ("item_id", models.CharField(max_length=600)),
                ("reason", models.TextField()),
                ("attempts", models.PositiveIntegerField(default=1)),
                (
                    "first_seen_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "backup",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="faults",
                        to="backups.mailboxbackup",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Folder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("folder_id", models.CharField(max_length=600)),
                ("parent_id", models.CharField(blank=True, max_length=600)),
                ("name", models.CharField(max_length=1000)),
                ("kind", models.CharField(blank=True, max_length=255)),
                ("well_known", models.CharField(blank=True, max_length=100)),
                ("first", models.PositiveIntegerField()),
                ("last", models.PositiveIntegerField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "backup",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="folders",
                        to="backups.mailboxbackup",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="MailboxKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("wrapped", models.BinaryField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "mailbox",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="keys",
                        to="backups.mailbox",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("online", "Exchange Online"),
                            ("on_premises", "Exchange Server"),
                            ("hybrid", "Hybrid"),
                        ],
                        default="online",
                        max_length=12,
                    ),
                ),
                (
                    "directory",
                    models.CharField(help_text="Entra tenant id or its domain.", max_length=100),
                ),
                ("authority", models.URLField(default="https://login.microsoftonline.com")),
                ("graph_url", models.URLField(default="https://graph.microsoft.com")),
                ("client_id", models.CharField(max_length=100)),
                (
                    "certificate",
                    models.TextField(help_text="PEM, the public half of the app's credential."),
                ),
                ("sealed_private_key", models.BinaryField()),
                (
                    "trust",
                    models.TextField(
                        blank=True,
                        help_text="PEM of the authority to trust, where it is not a public one.",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "Not checked yet"),
                            ("connected", "Connected"),
                            ("failed", "Connection failed"),
                        ],
                        default="new",
                        max_length=12,
                    ),
                ),
                ("state_reason", models.TextField(blank=True)),
                ("discovered_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="mailbox",
            name="organization",
            field=tenants.isolation.tables.TenantForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mailboxes",
                to="backups.organization",
            ),
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("stopped", "Stopped"),
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("success", "Success"),
                            ("warning", "Warning"),
                            ("failed", "Failed"),
                            ("disconnected", "Disconnected"),
                            ("not_configured", "Not configured"),
                        ],
                        default="stopped",
                        max_length=16,
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("organization", "Entire organization"),
                            ("mailboxes", "Selected mailboxes"),
                        ],
                        default="organization",
                        max_length=16,
                    ),
                ),
                (
                    "schedule",
                    models.CharField(
                        choices=[
                            ("manual", "When started by hand"),
                            ("interval", "Every N minutes"),
                            ("daily", "Daily"),
                        ],
                        default="manual",
                        max_length=10,
                    ),
                ),
                ("interval_minutes", models.PositiveIntegerField(null=True)),
                ("daily_at", models.TimeField(null=True)),
                (
                    "retention_days",
                    models.PositiveIntegerField(help_text="Empty keeps everything.", null=True),
                ),
                ("next_run_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "allocation",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="backups.allocation",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "organization",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="jobs",
                        to="backups.organization",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Proxy",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("is_default", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("ready", "Ready"), ("maintenance", "Maintenance")],
                        default="ready",
                        max_length=12,
                    ),
                ),
                ("host", models.CharField(blank=True, max_length=255)),
                ("version", models.CharField(blank=True, max_length=40)),
                ("tasks_at_once", models.PositiveSmallIntegerField(default=2)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "proxies",
                "ordering": ("name",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("is_default",),
                        name="one_default_proxy",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Repository",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("folder", "Folder")], default="folder", max_length=12
                    ),
                ),
                ("location", models.CharField(max_length=1000)),
                ("capacity_bytes", models.BigIntegerField(null=True)),
                ("free_bytes", models.BigIntegerField(null=True)),
                ("checked_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "proxy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="repositories",
                        to="backups.proxy",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "repositories",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Pack",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("pack_class", models.CharField(max_length=1)),
                ("size", models.BigIntegerField()),
                (
                    "stored_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backups.repository",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Coverage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "job",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="coverage",
                        to="backups.job",
                    ),
                ),
                (
                    "mailbox",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="coverage",
                        to="backups.mailbox",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backups.repository",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="BlobLocation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("blob", models.BinaryField()),
                ("pack", models.CharField(max_length=100)),
                ("offset", models.BigIntegerField()),
                ("length", models.BigIntegerField()),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backups.repository",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="allocation",
            name="repository",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="backups.repository",
            ),
        ),
        migrations.CreateModel(
            name="RestorePoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.PositiveIntegerField()),
                ("taken_at", models.DateTimeField()),
                ("items", models.BigIntegerField()),
                ("bytes", models.BigIntegerField()),
                (
                    "backup",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="points",
                        to="backups.mailboxbackup",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-sequence",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("items_seen", models.BigIntegerField(default=0)),
                ("items_new", models.BigIntegerField(default=0)),
                ("items_removed", models.BigIntegerField(default=0)),
                ("items_failed", models.BigIntegerField(default=0)),
                ("items_merged", models.BigIntegerField(default=0)),
                ("items_skipped", models.BigIntegerField(default=0)),
                ("bytes_read", models.BigIntegerField(default=0)),
                ("bytes_new", models.BigIntegerField(default=0)),
                ("bytes_stored", models.BigIntegerField(default=0)),
                ("requests", models.BigIntegerField(default=0)),
                ("throttled_seconds", models.FloatField(default=0)),
                (
                    "kind",
                    models.CharField(
                        choices=[("backup", "Backup"), ("restore", "Restore")], max_length=10
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("success", "Success"),
                            ("warning", "Warning"),
                            ("failed", "Failed"),
                            ("stopped", "Stopped"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
                ("mailboxes_total", models.IntegerField(default=0)),
                ("mailboxes_done", models.IntegerField(default=0)),
                (
                    "job",
                    tenants.isolation.tables.TenantForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="backups.job",
                    ),
                ),
                (
                    "organization",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="backups.organization",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SessionLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("error", "Error")],
                        max_length=8,
                    ),
                ),
                ("mailbox", models.CharField(blank=True, max_length=320)),
                ("item_id", models.CharField(blank=True, max_length=600)),
                ("message", models.TextField()),
                (
                    "session",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log",
                        to="backups.session",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SyncCursor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stream", models.CharField(max_length=700)),
                ("sealed", models.BinaryField()),
                (
                    "backup",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cursors",
                        to="backups.mailboxbackup",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("items_seen", models.BigIntegerField(default=0)),
                ("items_new", models.BigIntegerField(default=0)),
                ("items_removed", models.BigIntegerField(default=0)),
                ("items_failed", models.BigIntegerField(default=0)),
                ("items_merged", models.BigIntegerField(default=0)),
                ("items_skipped", models.BigIntegerField(default=0)),
                ("bytes_read", models.BigIntegerField(default=0)),
                ("bytes_new", models.BigIntegerField(default=0)),
                ("bytes_stored", models.BigIntegerField(default=0)),
                ("requests", models.BigIntegerField(default=0)),
                ("throttled_seconds", models.FloatField(default=0)),
                ("queue", models.CharField(max_length=40)),
                (
                    "kind",
                    models.CharField(
                        choices=[("backup", "Backup"), ("restore", "Restore")], max_length=10
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("success", "Success"),
                            ("warning", "Warning"),
                            ("failed", "Failed"),
                            ("stopped", "Stopped"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                (
                    "not_before",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("lease_owner", models.CharField(blank=True, max_length=100)),
                ("lease_until", models.DateTimeField(null=True)),
                ("items_expected", models.BigIntegerField(default=0)),
                (
                    "items_handled",
                    models.BigIntegerField(
                        default=0,
                        help_text="Live: committed or not. The counters count what is committed.",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "backup",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="backups.mailboxbackup",
                    ),
                ),
                (
                    "mailbox",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="backups.mailbox",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backups.repository",
                    ),
                ),
                (
                    "session",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="backups.session",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("created_at", "id"),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="RestoreItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "target_folder",
                    models.CharField(
                        blank=True,
                        help_text="Empty restores to the folder it came from.",
                        max_length=255,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("restored", "Restored"),
                            ("merged", "Already there"),
                            ("skipped", "Skipped"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("restored_id", models.CharField(blank=True, max_length=600)),
                ("reason", models.TextField(blank=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "version",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="backups.itemversion",
                    ),
                ),
                (
                    "task",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="restore_items",
                        to="backups.task",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="mailboxbackup",
            constraint=models.UniqueConstraint(
                fields=("mailbox", "allocation"), name="one_backup_per_allocation"
            ),
        ),
        migrations.AddIndex(
            model_name="itemversion",
            index=models.Index(
                fields=["backup", "folder_id", "-received_at"], name="items_of_a_folder"
            ),
        ),
        migrations.AddIndex(
            model_name="itemversion",
            index=models.Index(fields=["backup", "first"], name="items_of_a_commit"),
        ),
        migrations.AddConstraint(
            model_name="itemversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("last__isnull", True)),
                fields=("backup", "item_id"),
                name="one_current_version",
            ),
        ),
        migrations.AddConstraint(
            model_name="itemfault",
            constraint=models.UniqueConstraint(
                fields=("backup", "item_id"), name="one_fault_per_item"
            ),
        ),
        migrations.AddConstraint(
            model_name="folder",
            constraint=models.UniqueConstraint(
                condition=models.Q(("last__isnull", True)),
                fields=("backup", "folder_id"),
                name="one_current_folder",
            ),
        ),
        migrations.AddConstraint(
            model_name="mailboxkey",
            constraint=models.UniqueConstraint(
                fields=("mailbox", "version"), name="one_key_per_mailbox"
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.UniqueConstraint(
                fields=("tenant", "name"), name="one_organization_per_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="mailbox",
            constraint=models.UniqueConstraint(
                fields=("organization", "source_id"), name="one_row_per_mailbox"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("enabled", True), ("next_run_at__isnull", False)),
                fields=["next_run_at"],
                name="due_jobs",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="one_job_per_name"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("daily_at", None), ("interval_minutes", None), ("schedule", "manual")
                    ),
                    models.Q(
                        ("daily_at", None), ("interval_minutes__gte", 5), ("schedule", "interval")
                    ),
                    models.Q(
                        ("daily_at__isnull", False),
                        ("interval_minutes", None),
                        ("schedule", "daily"),
                    ),
                    _connector="OR",
                ),
                name="schedule_is_complete",
            ),
        ),
        migrations.AddConstraint(
            model_name="pack",
            constraint=models.UniqueConstraint(
                fields=("tenant", "repository", "name"), name="one_pack"
            ),
        ),
        migrations.AddConstraint(
            model_name="coverage",
            constraint=models.UniqueConstraint(
                fields=("mailbox", "repository"), name="one_job_per_mailbox_and_repository"
            ),
        ),
        migrations.AddConstraint(
            model_name="bloblocation",
            constraint=models.UniqueConstraint(
                fields=("tenant", "repository", "blob"), name="one_location_per_blob"
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.UniqueConstraint(
                fields=("tenant", "repository"), name="one_allocation_per_repository"
            ),
        ),
        migrations.AddConstraint(
            model_name="restorepoint",
            constraint=models.UniqueConstraint(
                fields=("backup", "sequence"), name="one_point_per_commit"
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["tenant", "-created_at"], name="sessions_newest_first"),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["job", "-created_at"], name="sessions_of_a_job"),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state__in", ["queued", "running"])),
                    models.Q(
                        ("ended_at__isnull", False),
                        ("state__in", ["success", "warning", "failed", "stopped"]),
                    ),
                    _connector="OR",
                ),
                name="ended_session_has_a_result",
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["queued", "running"])),
                fields=("job",),
                name="one_open_session_per_job",
            ),
        ),
        migrations.AddIndex(
            model_name="sessionlog",
            index=models.Index(fields=["session", "id"], name="log_of_a_session"),
        ),
        migrations.AddConstraint(
            model_name="synccursor",
            constraint=models.UniqueConstraint(
                fields=("backup", "stream"), name="one_cursor_per_stream"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state", "queued")),
                fields=["queue", "not_before", "created_at"],
                name="waiting_tasks",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state", "running")),
                fields=["lease_until"],
                name="running_tasks",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["session", "state"], name="tasks_of_a_session"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "running"), _negated=True),
                    models.Q(("attempt__gte", 1), ("lease_until__isnull", False)),
                    _connector="OR",
                ),
                name="running_task_has_a_lease",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "backup"), ("state", "running")),
                fields=("backup",),
                name="one_writer_per_mailbox",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                fields=("session", "mailbox"), name="one_task_per_mailbox"
            ),
        ),
        migrations.AddConstraint(
            model_name="restoreitem",
            constraint=models.UniqueConstraint(
                fields=("task", "version"), name="one_restore_per_version"
            ),
        ),
        # Infrastructure belongs to the provider: a tenant's role cannot even read it.
        GrantTable("Proxy", app=NOTHING, operator=WRITE),
        GrantTable("Repository", app=NOTHING, operator=WRITE),
        # A tenant cannot raise its own quota.
        IsolateTable("Allocation", app="SELECT, UPDATE (used_bytes)", operator=WRITE),
        IsolateTable("Organization", operator=READ),
        IsolateTable("Mailbox", operator=READ),
        IsolateTable("MailboxKey", app=APPEND, operator=NOTHING, key=""),
        IsolateTable("Job", operator="SELECT, UPDATE"),
        IsolateTable("Coverage", operator=READ, key=""),
        IsolateTable("MailboxBackup", operator=READ),
        IsolateTable("Session", operator="SELECT, UPDATE"),
        IsolateTable("Task", operator="SELECT, UPDATE"),
        IsolateTable("SessionLog", operator=APPEND, key=""),
        IsolateTable("RestorePoint", operator=READ, key=""),
        IsolateTable("Pack", operator=READ, key=""),
        # Content: the operator's role has no right at all.
        IsolateTable("ItemVersion", operator=NOTHING),
        IsolateTable("Folder", operator=NOTHING, key=""),
        IsolateTable("SyncCursor", operator=NOTHING, key=""),
        IsolateTable("ItemFault", operator=NOTHING, key=""),
        IsolateTable("BlobLocation", operator=NOTHING, key=""),
        IsolateTable("RestoreItem", operator=NOTHING, key=""),
    ]
