import django.db.models.functions.datetime
from django.db import migrations, models

import portal.ids
from tenants.isolation.operations import READ, GrantTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0014_fewer_indexes_of_items"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApplicationBudget",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.BinaryField(max_length=32, unique=True)),
                ("requests", models.FloatField(default=0)),
                (
                    "filled_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("held_until", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        GrantTable("ApplicationBudget", app="SELECT, INSERT, UPDATE", operator=READ),
        migrations.AddField(
            model_name="session",
            name="prepare_after",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="When the organization may be asked for its mailboxes again.",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="prepare_failures",
            field=models.PositiveSmallIntegerField(default=0),
        ),
    ]
