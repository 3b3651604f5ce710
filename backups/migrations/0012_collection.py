import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from tenants.isolation.operations import READ, IsolateTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0011_verifications"),
        ("tenants", "0004_retired_keys_go"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE backups_fence;"
            " GRANT USAGE ON SEQUENCE backups_fence TO portal_app, portal_operator",
            "DROP SEQUENCE backups_fence",
        ),
        migrations.AddField(
            model_name="pack",
            name="doomed_at",
            field=models.DateTimeField(
                help_text="When it was found to hold nothing that is kept: it is to go.", null=True
            ),
        ),
        migrations.AddField(
            model_name="pack",
            name="doomed_fence",
            field=models.BigIntegerField(
                help_text="Only workers with a lower number may still refer to it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="fence",
            field=models.BigIntegerField(
                help_text="Rises with every claim of any task; empty while nobody works on it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="lost_fence",
            field=models.BigIntegerField(
                help_text="The lowest of workers that stopped reporting and may wake up again.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="lost_head",
            field=models.PositiveIntegerField(
                help_text="The backup's head when the last of these was given up.", null=True
            ),
        ),
        migrations.CreateModel(
            name="CollectionRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("success", "Success"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=8,
                    ),
                ),
                (
                    "reason",
                    models.TextField(
                        blank=True, help_text="For the provider: it may name objects."
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                ("packs", models.BigIntegerField(default=0)),
                ("deleted", models.BigIntegerField(default=0)),
                ("deleted_bytes", models.BigIntegerField(default=0)),
                ("doomed", models.BigIntegerField(default=0)),
                ("repacked", models.BigIntegerField(default=0)),
                ("spared", models.BigIntegerField(default=0)),
                ("waiting", models.BigIntegerField(default=0)),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
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
                "ordering": ("-started_at",),
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["repository", "-started_at"], name="newest_collections")
                ],
            },
        ),
        IsolateTable("CollectionRun", operator=READ, key=""),
    ]
