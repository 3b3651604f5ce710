from __future__ import annotations

import django_tables2 as tables

from backups.sessions.models import Session
from portal.web.tables import NumberColumn, SizeColumn, StateColumn, Table, WhenColumn


class SessionTable(Table):
    """Sessions, the newest first."""

    caption = "Sessions"

    created_at = tables.TemplateColumn(
        template_name="backups/cells/session.html", verbose_name="Session"
    )
    state = StateColumn(verbose_name="Result")
    started_at = WhenColumn(verbose_name="Started")
    took = tables.TemplateColumn(
        "{% load backups web %}{{ record|took|duration }}", verbose_name="Took", orderable=False
    )
    mailboxes_done = tables.TemplateColumn(
        "{{ record.mailboxes_done }} of {{ record.mailboxes_total }}",
        verbose_name="Mailboxes",
        orderable=False,
    )
    items_new = NumberColumn(verbose_name="Items")
    items_failed = NumberColumn(verbose_name="Failed")
    bytes_new = SizeColumn(verbose_name="New")

    class Meta(Table.Meta):
        model = Session
        fields = (
            "created_at",
            "state",
            "started_at",
            "took",
            "mailboxes_done",
            "items_new",
            "items_failed",
            "bytes_new",
        )
        order_by = ("-created_at",)
        empty_text = "No session yet."


class JobSessionTable(SessionTable):
    """Sessions of one job: each goes by its time, not by the job's name."""

    created_at = tables.TemplateColumn(
        template_name="backups/cells/job_session.html", verbose_name="Session"
    )

    class Meta(SessionTable.Meta):
        exclude = ("started_at",)


class OperatorSessionTable(SessionTable):
    """Sessions of all tenants, without a way into any of them."""

    tenant = tables.Column(order_by="tenant__name")
    created_at = tables.TemplateColumn(
        template_name="backups/cells/operator_session.html", verbose_name="Session"
    )

    class Meta(SessionTable.Meta):
        sequence = ("tenant", "...")
