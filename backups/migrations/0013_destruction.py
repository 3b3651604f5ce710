import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import portal.ids
import tenants.isolation.tables
from tenants.isolation.operations import APPEND, READ, IsolateTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0012_collection"),
        ("tenants", "0004_retired_keys_go"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Destruction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "mailbox_id",
                    models.UUIDField(
                        help_text="As the repositories know it; empty: the whole tenant.", null=True
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        help_text="The mailbox's address, or the tenant.", max_length=320
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                (
                    "requester",
                    models.CharField(
                        help_text="The e-mail, whoever is deleted later.", max_length=254
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "facts",
                    models.JSONField(
                        default=dict, help_text="Rows and keys that went from the database."
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
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
                "ordering": ("-requested_at",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="DestructionCertificate",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        editable=False,
                        help_text="That of the destruction.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_name", models.CharField(max_length=200)),
                ("subject", models.CharField(max_length=320)),
                ("content", models.TextField(help_text="Canonical JSON.")),
                ("sha256", models.CharField(help_text="Of the content in UTF-8.", max_length=64)),
                (
                    "issued_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-issued_at",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="DestructionPlace",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "allocation",
                    models.CharField(help_text="The share's name at that time.", max_length=100),
                ),
                (
                    "next_try_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="Empty: nothing is left to be done.",
                        null=True,
                    ),
                ),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "problem",
                    models.TextField(blank=True, help_text="For the provider: it may name paths."),
                ),
                ("keys_gone_at", models.DateTimeField(null=True)),
                (
                    "keys",
                    models.JSONField(
                        default=list, help_text="Objects that went: name, sha256, wrapped_by."
                    ),
                ),
                (
                    "found",
                    models.JSONField(
                        default=dict, help_text="Ciphertext by kind: objects and bytes."
                    ),
                ),
                (
                    "left",
                    models.JSONField(
                        default=dict, help_text="The same, which the storage would not delete."
                    ),
                ),
                ("left_reason", models.TextField(blank=True)),
                ("swept_at", models.DateTimeField(null=True)),
                (
                    "destruction",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="places",
                        to="backups.destruction",
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
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("allocation", "id"),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="destruction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("finished_at", None)),
                fields=("tenant", "mailbox_id"),
                name="one_open_destruction",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="destructioncertificate",
            index=models.Index(fields=["tenant", "-issued_at"], name="certificates_newest_first"),
        ),
        migrations.AddIndex(
            model_name="destructionplace",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False)),
                fields=["next_try_at"],
                name="due_destructions",
            ),
        ),
        migrations.AddConstraint(
            model_name="destructionplace",
            constraint=models.UniqueConstraint(
                fields=("destruction", "repository"), name="once_in_each_repository"
            ),
        ),
        migrations.AddConstraint(
            model_name="destructionplace",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("swept_at", None), ("keys_gone_at__isnull", False), _connector="OR"
                ),
                name="keys_go_before_ciphertext",
            ),
        ),
        IsolateTable("Destruction", operator=READ),
        IsolateTable("DestructionPlace", operator=READ, key=""),
        IsolateTable("DestructionCertificate", app=APPEND, operator=READ, key=""),
        migrations.RunSQL(
            "GRANT DELETE ON backups_mailboxkey TO portal_app",
            "REVOKE DELETE ON backups_mailboxkey FROM portal_app",
        ),
    ]
