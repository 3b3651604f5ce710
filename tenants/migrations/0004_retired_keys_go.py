"""Wrapped keys that newer versions replaced may be removed: with the old root key they open."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_real_time_zones")]

    operations = [
        migrations.RunSQL(
            "GRANT DELETE ON tenants_tenantkey TO portal_app",
            "REVOKE DELETE ON tenants_tenantkey FROM portal_app",
        )
    ]
