from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0005_search"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="retention_mode",
            field=models.CharField(
                choices=[
                    ("forever", "Everything, for ever"),
                    ("points", "Restore points for some time"),
                    ("items", "Deleted and changed items for some time"),
                ],
                default="forever",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="retention_count",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="retention_unit",
            field=models.CharField(
                choices=[("days", "days"), ("months", "months"), ("years", "years")],
                default="days",
                max_length=8,
            ),
        ),
    ]
