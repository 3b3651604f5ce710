from django.db import migrations, models

import portal.ids
from tenants.isolation.operations import NOTHING, WRITE, GrantTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0016_collection_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClockWatch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("is_only", models.BooleanField(default=True, unique=True)),
                ("seen_at", models.DateTimeField()),
                (
                    "came_from",
                    models.DateTimeField(
                        help_text="What it said before it jumped ahead.", null=True
                    ),
                ),
                (
                    "waits_until",
                    models.DateTimeField(help_text="Nothing expires before that.", null=True),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        GrantTable("ClockWatch", app=NOTHING, operator=WRITE),
    ]
