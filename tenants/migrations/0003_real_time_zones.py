from django.db import migrations, models

import tenants.time_zones


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0002_people_mail_usage"),
    ]

    operations = [
        migrations.AlterField(
            model_name="tenant",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                max_length=64,
                validators=[tenants.time_zones.validate_time_zone],
            ),
        ),
        # Every page of a tenant is rendered in its zone: one that does not exist would lock all
        # of its people out. PostgreSQL refuses a name that it does not know, but reads much else
        # as a rule of its own (POSIX): only what looks like a name is let through.
        migrations.RunSQL(
            "ALTER TABLE tenants_tenant ADD CONSTRAINT time_zone_exists"
            " CHECK (time_zone ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'"
            " AND (timestamptz 'epoch' AT TIME ZONE time_zone) IS NOT NULL)",
            "ALTER TABLE tenants_tenant DROP CONSTRAINT time_zone_exists",
        ),
    ]
