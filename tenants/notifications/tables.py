from __future__ import annotations

import django_filters
import django_tables2 as tables

from portal.web.tables import NumberColumn, StateColumn, Table, WhenColumn
from tenants.models import OutboxMessage


class OutboxFilter(django_filters.FilterSet):  # type: ignore[misc]
    state = django_filters.ChoiceFilter(
        label="State", empty_label="Any state", choices=OutboxMessage.State.choices
    )

    class Meta:
        model = OutboxMessage
        fields = ("state",)


class OutboxTable(Table):
    """Messages of all tenants and the provider's own, the newest first."""

    caption = "Messages"

    subject = tables.TemplateColumn(
        template_name="tenants/cells/message.html", verbose_name="Message"
    )
    to = tables.Column(verbose_name="To", attrs={"td": {"class": "text-break"}})
    tenant = tables.Column(order_by="tenant__name", default="The provider")
    state = StateColumn()
    attempts = NumberColumn(verbose_name="Tries")
    created_at = WhenColumn(verbose_name="Written")

    class Meta(Table.Meta):
        model = OutboxMessage
        fields = ("subject", "to", "tenant", "state", "attempts", "created_at")
        order_by = ("-created_at",)
        empty_text = "No message yet."
