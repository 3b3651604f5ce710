import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import portal.ids
import tenants.isolation.tables
from tenants.isolation.operations import NOTHING, READ, WRITE, GrantTable, IsolateTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0002_task_deaths"),
        ("tenants", "0002_people_mail_usage"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="GlobalExclusion",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="A folder's name, or the name of its role such as junkemail.",
                        max_length=255,
                        unique=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.AddField(
            model_name="job",
            name="excluded_folders",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Names of folders that are left out, with all below.",
            ),
        ),
        migrations.CreateModel(
            name="BasketItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "added_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
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
                (
                    "version",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="backups.itemversion",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("person", "version"), name="once_in_a_basket")
                ],
            },
        ),
        migrations.CreateModel(
            name="ExcludedMailbox",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="excluded_mailboxes",
                        to="backups.job",
                    ),
                ),
                (
                    "mailbox",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("job", "mailbox"), name="one_exclusion_per_mailbox"
                    )
                ],
            },
        ),
        GrantTable("GlobalExclusion", app=READ, operator=WRITE),
        IsolateTable("ExcludedMailbox", operator=READ, key=""),
        IsolateTable("BasketItem", operator=NOTHING, key=""),
    ]
