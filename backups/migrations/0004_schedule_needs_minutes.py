from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0003_exclusions_and_basket"),
        ("tenants", "0003_real_time_zones"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="job",
            name="schedule_is_complete",
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("daily_at", None), ("interval_minutes", None), ("schedule", "manual")
                    ),
                    models.Q(
                        ("daily_at", None),
                        ("interval_minutes__gte", 5),
                        ("interval_minutes__isnull", False),
                        ("schedule", "interval"),
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
    ]
