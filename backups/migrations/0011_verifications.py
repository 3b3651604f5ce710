import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import portal.ids
import tenants.isolation.tables
from tenants.isolation.operations import NOTHING, READ, WRITE, IsolateTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0010_legal_holds"),
        ("tenants", "0004_retired_keys_go"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DamagedItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item_id", models.CharField(max_length=600)),
                (
                    "first",
                    models.PositiveIntegerField(help_text="The commit that the version came with."),
                ),
                (
                    "point",
                    models.PositiveIntegerField(
                        help_text="The first restore point that has it; empty: none yet.", null=True
                    ),
                ),
                ("reason", models.TextField()),
                (
                    "found_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("healed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("backup", "first", "item_id"),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="DamagedObject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=300)),
                ("reason", models.TextField()),
                ("blob", models.BinaryField(null=True)),
                ("pack", models.CharField(blank=True, max_length=100)),
                ("offset", models.BigIntegerField(null=True)),
                ("length", models.BigIntegerField(null=True)),
                (
                    "quarantined",
                    models.BooleanField(
                        default=True,
                        help_text="The blob index must not lead to this copy, healed or not.",
                    ),
                ),
                (
                    "found_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("healed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("name",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("structure", "Structure"),
                            ("sample", "Sample"),
                            ("full", "Everything"),
                            ("repair", "Known damage"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "percent",
                    models.FloatField(default=100, help_text="Of the items, which are read."),
                ),
                (
                    "start",
                    models.FloatField(
                        default=0, help_text="Where the sample begins, from 0 to 100."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("success", "Nothing found"),
                            ("warning", "Damage found"),
                            ("failed", "Failed"),
                            ("stopped", "Stopped"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                (
                    "asked",
                    models.CharField(
                        blank=True, choices=[("pause", "Pause"), ("stop", "Stop")], max_length=10
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("position", models.TextField(blank=True)),
                ("attempt", models.PositiveIntegerField(default=0)),
                (
                    "failures",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Tries that ended badly since it last got on."
                    ),
                ),
                (
                    "not_before",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("lease_owner", models.CharField(blank=True, max_length=100)),
                ("lease_until", models.DateTimeField(null=True)),
                ("packs_total", models.BigIntegerField(default=0)),
                ("packs_done", models.BigIntegerField(default=0)),
                ("mailboxes_total", models.IntegerField(default=0)),
                ("mailboxes_done", models.IntegerField(default=0)),
                ("items_read", models.BigIntegerField(default=0)),
                ("bytes_read", models.BigIntegerField(default=0)),
                (
                    "found",
                    models.BigIntegerField(
                        default=0, help_text="Items and objects newly found damaged."
                    ),
                ),
                ("healed", models.BigIntegerField(default=0)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("-created_at",),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="allocation",
            name="verify_percent",
            field=models.PositiveSmallIntegerField(
                default=5, help_text="Of the items, in one sample."
            ),
        ),
        migrations.AddField(
            model_name="allocation",
            name="verify_sample_days",
            field=models.PositiveSmallIntegerField(
                default=7, help_text="Days between two samples; empty: never.", null=True
            ),
        ),
        migrations.AddField(
            model_name="allocation",
            name="verify_structure_days",
            field=models.PositiveSmallIntegerField(
                default=30,
                help_text="Days between two looks at every object; empty: never.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(("verify_percent__range", (1, 100))),
                name="sample_is_a_percentage",
            ),
        ),
        migrations.AddField(
            model_name="damageditem",
            name="backup",
            field=tenants.isolation.tables.TenantForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="damaged_items",
                to="backups.mailboxbackup",
            ),
        ),
        migrations.AddField(
            model_name="damageditem",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddField(
            model_name="damagedobject",
            name="repository",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="backups.repository",
            ),
        ),
        migrations.AddField(
            model_name="damagedobject",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddField(
            model_name="verification",
            name="allocation",
            field=tenants.isolation.tables.TenantForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="verifications",
                to="backups.allocation",
            ),
        ),
        migrations.AddField(
            model_name="verification",
            name="requested_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="verification",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddConstraint(
            model_name="damageditem",
            constraint=models.UniqueConstraint(
                fields=("backup", "item_id", "first"), name="one_damage_per_version"
            ),
        ),
        migrations.AddConstraint(
            model_name="damagedobject",
            constraint=models.UniqueConstraint(
                fields=("tenant", "repository", "name"), name="one_damage_per_object"
            ),
        ),
        migrations.AddConstraint(
            model_name="damagedobject",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("blob__isnull", True),
                    models.Q(
                        ("length__isnull", False),
                        ("offset__isnull", False),
                        models.Q(("pack", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="damaged_blob_has_a_place",
            ),
        ),
        migrations.AddIndex(
            model_name="verification",
            index=models.Index(
                fields=["allocation", "level", "-created_at"], name="verifications_of_a_share"
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("queued", "running", "paused"))),
                fields=("allocation",),
                name="one_open_verification",
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ended_at__isnull", True), ("state__in", ("queued", "running", "paused"))
                    ),
                    models.Q(
                        ("ended_at__isnull", False),
                        models.Q(("state__in", ("queued", "running", "paused")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="ended_verification_has_a_result",
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "running"), _negated=True),
                    models.Q(("attempt__gte", 1), ("lease_until__isnull", False)),
                    _connector="OR",
                ),
                name="running_verification_has_a_lease",
            ),
        ),
        IsolateTable("Verification", operator=WRITE, key=""),
        IsolateTable("DamagedObject", operator=READ, key=""),
        # It names items: content.
        IsolateTable("DamagedItem", operator=NOTHING, key=""),
    ]
