import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import portal.ids
import tenants.isolation.tables
from tenants.isolation.operations import NOTHING, IsolateTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0009_rebuild_wanted"),
        ("tenants", "0003_real_time_zones"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                (
                    "placed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("release_reason", models.CharField(blank=True, max_length=500)),
                ("released_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("placed_at",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="mailboxbackup",
            name="holds",
            field=models.JSONField(
                default=dict,
                help_text="Legal holds in force as the chain tells, by id: their reasons.",
            ),
        ),
        migrations.AddField(
            model_name="mailboxbackup",
            name="retention_due_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="When retention looks at it next.",
            ),
        ),
        migrations.AddIndex(
            model_name="mailboxbackup",
            index=models.Index(fields=["retention_due_at"], name="due_for_retention"),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="mailbox",
            field=tenants.isolation.tables.TenantForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="holds",
                to="backups.mailbox",
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="placed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="released_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddIndex(
            model_name="legalhold",
            index=models.Index(
                condition=models.Q(("released_at", None)), fields=["mailbox"], name="holds_in_force"
            ),
        ),
        IsolateTable("LegalHold", operator=NOTHING),
    ]
