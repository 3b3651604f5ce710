import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0015_application_budget"),
        ("tenants", "0004_retired_keys_go"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="collectionrun",
            options={"base_manager_name": "objects", "ordering": ("-created_at",)},
        ),
        migrations.RemoveIndex(
            model_name="collectionrun",
            name="newest_collections",
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="asked",
            field=models.CharField(
                blank=True, choices=[("pause", "Pause"), ("stop", "Stop")], max_length=8
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="attempt",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="damaged",
            field=models.BigIntegerField(
                default=0,
                help_text="Needed blobs that are known to be damaged; their packs are kept.",
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="failures",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Tries that ended without a result."
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="is_too_much",
            field=models.BooleanField(
                default=False,
                help_text="It was broken off because most of the packs would have gone.",
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="lease_owner",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="lease_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="may_take_most",
            field=models.BooleanField(
                default=False, help_text="An operator said that most of the packs may go."
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="not_before",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="phase",
            field=models.CharField(
                blank=True,
                choices=[
                    ("chains", "Looking at mailboxes"),
                    ("references", "Reading what is needed"),
                    ("deleting", "Deleting"),
                    ("repacking", "Copying what is needed"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="phase_done",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="phase_total",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="refused",
            field=models.BigIntegerField(default=0, help_text="Packs that could not be deleted."),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="remarks",
            field=models.TextField(
                blank=True,
                help_text="One on each line: what was left out, and why. For the provider.",
            ),
        ),
        migrations.AddField(
            model_name="collectionrun",
            name="requested_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="pack",
            name="going_at",
            field=models.DateTimeField(
                help_text="When it was decided for good: it is never used again.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="collectionrun",
            name="started_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="collectionrun",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("running", "Running"),
                    ("paused", "Paused"),
                    ("success", "Success"),
                    ("failed", "Broken off"),
                    ("stopped", "Stopped"),
                ],
                default="queued",
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="collectionrun",
            index=models.Index(
                fields=["tenant", "repository", "-created_at"], name="collections_of_a_share"
            ),
        ),
        migrations.AddConstraint(
            model_name="collectionrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("queued", "running", "paused"))),
                fields=("tenant", "repository"),
                name="one_open_collection",
            ),
        ),
        migrations.AddConstraint(
            model_name="collectionrun",
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
                name="ended_collection_has_a_result",
            ),
        ),
        migrations.AddConstraint(
            model_name="collectionrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "running"), _negated=True),
                    models.Q(("attempt__gte", 1), ("lease_until__isnull", False)),
                    _connector="OR",
                ),
                name="running_collection_has_a_lease",
            ),
        ),
        # Operators ask for runs, and the tick queues and claims them.
        migrations.RunSQL(
            "GRANT INSERT, UPDATE ON backups_collectionrun TO portal_operator",
            "REVOKE INSERT, UPDATE ON backups_collectionrun FROM portal_operator",
        ),
    ]
