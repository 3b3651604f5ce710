import django.db.models.deletion
from django.db import migrations, models

import portal.ids
import tenants.isolation.tables
from tenants.isolation.operations import NOTHING, IsolateTable


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0018_search_further_back"),
        ("tenants", "0004_retired_keys_go"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailbox",
            name="system",
            field=models.CharField(
                choices=[("online", "Exchange Online"), ("server", "Exchange Server")],
                default="online",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="certificate",
            field=models.TextField(
                blank=True, help_text="PEM, the public half of the app's credential."
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="client_id",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AlterField(
            model_name="organization",
            name="directory",
            field=models.CharField(
                blank=True, help_text="Entra tenant id or its domain.", max_length=100
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="sealed_private_key",
            field=models.BinaryField(default=bytes),
        ),
        migrations.CreateModel(
            name="ExchangeServer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("url", models.URLField(help_text="The https address of Exchange.asmx.")),
                (
                    "auth",
                    models.CharField(
                        choices=[
                            ("ntlm", "NTLM"),
                            ("basic", "Basic"),
                            ("oauth", "OAuth, with the app registration"),
                        ],
                        default="ntlm",
                        max_length=8,
                    ),
                ),
                ("account", models.CharField(blank=True, max_length=320)),
                ("sealed_password", models.BinaryField(default=bytes)),
                ("impersonation", models.BooleanField(default=True)),
                (
                    "trust",
                    models.TextField(
                        blank=True,
                        help_text="PEM of the authority to trust, where it is not a public one.",
                    ),
                ),
                (
                    "proxy_url",
                    models.URLField(blank=True, help_text="The web proxy in front of the server."),
                ),
                (
                    "addresses",
                    models.TextField(blank=True, help_text="Mailboxes to look for, one a line."),
                ),
                (
                    "public_folders_through",
                    models.CharField(
                        blank=True,
                        help_text="Address of a mailbox that sees the public folders.",
                        max_length=320,
                    ),
                ),
                (
                    "organization",
                    tenants.isolation.tables.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="servers",
                        to="backups.organization",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization",), name="one_server_per_organization"
                    )
                ],
            },
        ),
        IsolateTable("ExchangeServer", operator=NOTHING),
    ]
