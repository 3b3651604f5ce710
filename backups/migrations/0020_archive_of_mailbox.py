from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backups", "0019_exchange_servers")]

    operations = [
        migrations.AddField(
            model_name="mailbox",
            name="archive_id",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The archive's id at its source.",
                max_length=200,
            ),
        ),
    ]
