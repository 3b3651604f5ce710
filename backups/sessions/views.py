"""Sessions: the history of a tenant, one session live, and what the provider sees of all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from backups.restores.models import RestoreItem
from backups.sessions.filters import SessionFilter
from backups.sessions.models import Kind, Session, State, Task
from backups.sessions.tables import OperatorSessionTable, SessionTable
from backups.templatetags.backups import task_share
from portal.web.live import live
from portal.web.tables import paged
from tenants.people.permissions import Permission, allowed
from tenants.views.pages import PersonRequest, TenantRequest, operator_page, tenant_page

LOG_LINES = 200
"""The newest lines of a session's log that its page shows."""
TASK_ROWS = 200
"""Mailboxes that a session's page shows, those that have not ended first."""
OPEN_FIRST = F("ended_at").desc(nulls_first=True)


@tenant_page(Permission.SEE_BACKUPS)
def session_list(request: TenantRequest) -> HttpResponse:
    sessions = SessionFilter(request.GET, Session.objects.newest_first())
    table = paged(request, SessionTable(sessions.qs))
    context = {"table": table, "filter": sessions, "nav": "sessions"}
    return render(request, "backups/sessions.html", context)


@tenant_page(Permission.SEE_BACKUPS)
def session_detail(request: TenantRequest, session_id: UUID) -> HttpResponse:
    session = get_object_or_404(Session.objects.newest_first(), pk=session_id)
    tasks = list(session.tasks.select_related("mailbox").order_by(OPEN_FIRST, "pk")[:TASK_ROWS])
    context: dict[str, object] = {
        "session": session,
        "tasks": tasks,
        "progress": progress(session, tasks),
        "log": session.log.order_by("-id")[:LOG_LINES],
        "results": [],
        "nav": "sessions",
    }
    if session.kind == Kind.RESTORE and allowed(request.membership.role, Permission.SEE_CONTENT):
        results = RestoreItem.objects.filter(task__session=session).select_related("version")
        context["results"] = results.defer("version__references")[:LOG_LINES]
    return live(request, "backups/session.html", "live", context, running=session.is_open)


@operator_page
def operator_sessions(request: PersonRequest) -> HttpResponse:
    sessions = SessionFilter(request.GET, Session.objects.newest_first().select_related("tenant"))
    table = paged(request, OperatorSessionTable(sessions.qs))
    context = {"table": table, "filter": sessions, "nav": "sessions"}
    return render(request, "backups/operator_sessions.html", context)


def progress(session: Session, tasks: Sequence[Task]) -> int:
    """How far a session is, in per cent: mailboxes that ended and the share of those that run."""
    if not session.is_open:
        return 100
    running = sum(task_share(task) for task in tasks if task.state == State.RUNNING)
    whole = 100 * max(session.mailboxes_total, 1)
    return min(99, 100 * (100 * session.mailboxes_done + running) // whole)
