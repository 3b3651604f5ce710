from __future__ import annotations

import django_filters
import django_tables2 as tables
from django import forms
from django.db.models import Q, QuerySet

from portal.web.tables import NumberColumn, SizeColumn, Table
from tenants.models import Tenant


class TenantTable(Table):
    """All tenants, with the worst last result of their jobs."""

    caption = "Tenants"

    name = tables.TemplateColumn(
        template_name="backups/cells/tenant.html", verbose_name="Tenant", order_by=("name",)
    )
    result = tables.TemplateColumn(
        template_name="backups/cells/tenant_result.html", verbose_name="Last result"
    )
    organizations = NumberColumn(verbose_name="Organizations")
    protected = NumberColumn(verbose_name="Protected mailboxes")
    stored = SizeColumn(verbose_name="Stored")

    class Meta(Table.Meta):
        model = Tenant
        fields = ("name", "result", "organizations", "protected", "stored")
        order_by = ("name",)
        empty_text = "No tenant matches."


class TenantFilter(django_filters.FilterSet):  # type: ignore[misc]
    q = django_filters.CharFilter(
        label="Name or short name",
        method="named",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name or short name"}),
    )
    state = django_filters.ChoiceFilter(
        label="State", empty_label="Any state", choices=Tenant.State.choices
    )

    class Meta:
        model = Tenant
        fields = ("q", "state")

    def named(self, rows: QuerySet[Tenant], name: str, value: str) -> QuerySet[Tenant]:
        return rows.filter(Q(name__icontains=value) | Q(slug__icontains=value))
