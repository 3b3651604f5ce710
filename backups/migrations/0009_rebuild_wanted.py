from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backups", "0008_retention_is_complete")]

    operations = [
        migrations.AddField(
            "mailboxbackup",
            "rebuild_wanted",
            models.BooleanField(
                default=False, help_text="Its rows are to be made again from the repository."
            ),
        ),
    ]
