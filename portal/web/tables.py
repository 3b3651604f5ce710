"""Lists: a queryset, a table and a filterset, with order, page and filters in the address."""

from __future__ import annotations

from datetime import datetime

import django_tables2 as tables
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_tables2 import RequestConfig

from portal.templatetags import web

PAGE = 50
"""Rows of a page."""


class Table(tables.Table):  # type: ignore[misc]
    """A table in the look of the portal. ``caption`` names it for those who cannot see it."""

    caption = ""

    class Meta:
        attrs = {"class": "table table-vcenter card-table stacked"}
        template_name = "web/table.html"


class StateColumn(tables.Column):  # type: ignore[misc]
    """A ``TextChoices`` state as a badge."""

    def render(
        self, value: str, record: Model, bound_column: tables.columns.BoundColumn
    ) -> SafeString:
        name = f"get_{bound_column.accessor}_display"
        raw = getattr(record, bound_column.accessor)
        label = getattr(record, name)() if hasattr(record, name) else value
        return web.state(raw, label)


class SizeColumn(tables.Column):  # type: ignore[misc]
    """Bytes in words, to the right."""

    attrs = {"td": {"class": "text-end text-nowrap"}, "th": {"class": "text-end"}}

    def render(self, value: int) -> str:
        return web.size(value)


class NumberColumn(tables.Column):  # type: ignore[misc]
    attrs = {"td": {"class": "text-end"}, "th": {"class": "text-end"}}

    def render(self, value: int) -> str:
        return f"{value:,}"


class WhenColumn(tables.Column):  # type: ignore[misc]
    """How long ago, with the exact time behind it."""

    attrs = {"td": {"class": "text-nowrap"}}

    def render(self, value: datetime) -> SafeString | str:
        return web.when(value)


def paged(request: HttpRequest, table: Table, *, per_page: int = PAGE) -> Table:
    """Order and page the table as the address says; a page out of range shows the last one."""
    RequestConfig(request, paginate={"per_page": per_page, "silent": True}).configure(table)
    return table


def listing(request: HttpRequest, table: type[Table], rows: QuerySet[Model]) -> Table:
    return paged(request, table(rows))
