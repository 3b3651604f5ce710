from django.db import migrations
from django.db.models import F


def to_policy(apps, schema_editor):
    jobs = apps.get_model("backups", "Job")._base_manager.using(schema_editor.connection.alias)
    # Nought days kept nothing but the newest point; one day is the shortest time there is now.
    jobs.filter(retention_days=0).update(retention_days=1)
    jobs.filter(retention_days__isnull=False).update(
        retention_mode="points", retention_count=F("retention_days"), retention_unit="days"
    )


def to_days(apps, schema_editor):
    jobs = apps.get_model("backups", "Job")._base_manager.using(schema_editor.connection.alias)
    for unit, days in (("days", 1), ("months", 31), ("years", 366)):
        jobs.filter(retention_count__isnull=False, retention_unit=unit).update(
            retention_days=F("retention_count") * days
        )


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0006_retention_policy"),
    ]

    operations = [
        migrations.RunPython(to_policy, to_days),
    ]
