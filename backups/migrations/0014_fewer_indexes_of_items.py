"""Every item version that is written pays for each index and key of its table.

The index of the tenant alone and that of the backup alone begin others; nothing asked for the
items of a commit; and the composite key to the backup says which tenants there are. Retention asks
for what has ended, which had no index.
"""

import django.db.models.deletion
from django.db import migrations, models

import tenants.isolation.tables


class Migration(migrations.Migration):
    dependencies = [("backups", "0013_destruction")]

    operations = [
        migrations.RemoveIndex("itemversion", "items_of_a_commit"),
        migrations.AlterField(
            "itemversion",
            "tenant",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AlterField(
            "itemversion",
            "backup",
            tenants.isolation.tables.TenantForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="versions",
                to="backups.mailboxbackup",
            ),
        ),
        migrations.AddIndex(
            "itemversion",
            models.Index(
                condition=models.Q(("last__isnull", False)),
                fields=["backup", "last"],
                name="ended_items_of_a_backup",
            ),
        ),
    ]
