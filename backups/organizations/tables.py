from __future__ import annotations

import django_tables2 as tables

from backups.organizations.models import Mailbox
from portal.web.tables import NumberColumn, SizeColumn, Table, WhenColumn


class MailboxTable(Table):
    """The mailboxes of an organization with their newest restore point."""

    caption = "Mailboxes"

    name = tables.TemplateColumn(
        template_name="backups/cells/mailbox.html", order_by=("name", "address")
    )
    is_protected = tables.TemplateColumn(
        template_name="backups/cells/protected.html", verbose_name="Protection"
    )
    last_taken_at = WhenColumn(verbose_name="Last restore point")
    last_items = NumberColumn(verbose_name="Items")
    last_bytes = SizeColumn(verbose_name="Size")

    class Meta(Table.Meta):
        model = Mailbox
        fields = ("name", "is_protected", "last_taken_at", "last_items", "last_bytes")
        order_by = ("name",)
        empty_text = "No mailbox matches."
