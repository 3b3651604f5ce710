from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backups", "0001_ground_floor")]

    operations = [
        migrations.AddField(
            "task",
            "deaths",
            models.PositiveSmallIntegerField(
                default=0, help_text="Workers that stopped reporting since one last did."
            ),
        ),
        migrations.AlterField(
            "task",
            "failures",
            models.PositiveSmallIntegerField(
                default=0, help_text="Failed tries since something was last stored."
            ),
        ),
    ]
