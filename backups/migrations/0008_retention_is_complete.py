from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0007_retention_from_days"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="job",
            name="retention_days",
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("retention_count", None), ("retention_mode", "forever")),
                    models.Q(
                        ("retention_count__gte", 1),
                        ("retention_count__isnull", False),
                        ("retention_mode__in", ["points", "items"]),
                    ),
                    _connector="OR",
                ),
                name="retention_is_complete",
            ),
        ),
    ]
