"""The e-mail about a session that has ended: how it went, what failed and why."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from backups.sessions.models import Kind, Session, SessionLog, State, Task
from portal.templatetags.web import size
from tenants.isolation.scope import APP
from tenants.models import Recipient
from tenants.notifications.services import enqueue, one_line

log = logging.getLogger(__name__)

MOST_PROBLEMS = 20
"""Lines of problems in one message; the session's page has all of them."""
_MOST_LINES = 500
_REASON = 300

# Who hears of it, what it is called, and its colour on white.
_HEARD_BY: dict[str, tuple[str, str, str]] = {
    State.SUCCESS: ("on_success", "succeeded", "#1f7a3a"),
    State.WARNING: ("on_warning", "ended with warnings", "#8a5a00"),
    State.STOPPED: ("on_warning", "was stopped", "#8a5a00"),
    State.FAILED: ("on_failure", "failed", "#b3261e"),
}
# The provider sees what was sent; folders' names are the tenant's.
_FOLDER = re.compile(r" \(folder .*\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, and how often; ``mailbox`` is empty for the session as a whole."""

    mailbox: str
    reason: str
    times: int = 1


def session_ended(session: Session) -> None:
    """Inside the tenant's scope: put a message to each address that wants to hear of it into the
    outbox, in the transaction that ends the session.

    A message that cannot be written is logged: it must not keep a session from ending.
    """
    try:
        with transaction.atomic(using=APP):
            _announce(session)
    except Exception:
        log.exception("session %s ended, and its e-mail could not be written", session.pk)


def _announce(ended: Session) -> None:
    wanted, result, colour = _HEARD_BY[ended.state]
    recipients = list(Recipient.objects.filter(**{wanted: True}))
    if not recipients:
        return
    session = Session.objects.select_related("tenant", "job", "organization").get(pk=ended.pk)
    problems, more = _problems(session)
    path = reverse("backups:session", args=[session.tenant.slug, session.pk])
    title = _title(session)
    subject = one_line(f"[{session.tenant.name}] {title} {result}")
    context = {
        "subject": subject,
        "session": session,
        "tenant": session.tenant,
        "title": title,
        "result": result,
        "colour": colour,
        "problems": problems,
        "more": more,
        "link": f"{settings.PUBLIC_URL}{path}",
    }
    with timezone.override(session.tenant.time_zone):
        context["counts"] = _counts(session)
        text = render_to_string("mail/session.txt", context)
        html = render_to_string("mail/session.html", context)
    for recipient in recipients:
        enqueue(
            cause=f"session/{session.pk}/{recipient.pk}",
            to=recipient.email,
            subject=subject,
            text=text,
            html=html,
            tenant_id=session.tenant_id,
        )


def _title(session: Session) -> str:
    """What ran, as the beginning of a sentence."""
    if session.job is not None:
        return f"Backup by {session.job.name}"
    addresses = Task.objects.filter(session=session).order_by("mailbox__address")
    mailboxes = list(addresses.values_list("mailbox__address", flat=True)[:2])
    if len(mailboxes) == 1:
        return f"Restore to {mailboxes[0]}"
    return f"Restore in {session.organization.name}"


def _counts(session: Session) -> list[tuple[str, str]]:
    if session.kind == Kind.BACKUP:
        items = [
            ("Mailboxes", f"{session.mailboxes_done:,} of {session.mailboxes_total:,}"),
            ("Items saved", f"{session.items_new:,}"),
            ("Items removed", f"{session.items_removed:,}"),
            ("Items not saved", f"{session.items_failed:,}"),
            ("New data", size(session.bytes_new)),
        ]
    else:
        items = [
            ("Items restored", f"{session.items_new:,}"),
            ("Already there", f"{session.items_merged:,}"),
            ("Skipped", f"{session.items_skipped:,}"),
            ("Not restored", f"{session.items_failed:,}"),
        ]
    return [*items, *_times(session)]


def _times(session: Session) -> list[tuple[str, str]]:
    began, ended = session.started_at or session.created_at, session.ended_at
    if ended is None:
        return []
    local = timezone.localtime(ended)
    took = timesince(began, ended) if (ended - began).total_seconds() >= 60 else "under a minute"
    return [("Ended", f"{local:%Y-%m-%d %H:%M %Z}"), ("Took", took.replace("\xa0", " "))]


def _problems(session: Session) -> tuple[list[Problem], int]:
    """Mailboxes that did not end well, then what the log warns of; and how many are left out."""
    if session.state == State.SUCCESS:
        return [], 0
    bad = Task.objects.filter(session=session).exclude(state=State.SUCCESS)
    total = bad.count()
    # "failed", "stopped", "warning": in the order of the alphabet the worst comes first.
    rows = bad.select_related("mailbox").order_by("state", "mailbox__address")
    problems = [
        Problem(task.mailbox.address, _shown(task.reason) or task.get_state_display())
        for task in rows[:MOST_PROBLEMS]
    ]
    lines = _logged(session)
    for problem in problems:
        lines.pop((problem.mailbox, problem.reason), None)
    lines.pop(("", _shown(session.reason)), None)
    problems += [Problem(*line, times) for line, times in lines.most_common(MOST_PROBLEMS)]
    shown = problems[:MOST_PROBLEMS]
    return shown, total + len(lines) - len(shown)


def _logged(session: Session) -> Counter[tuple[str, str]]:
    """Warnings and errors of the log, by mailbox and reason, with how often each stands there."""
    worrying = (SessionLog.Level.WARNING, SessionLog.Level.ERROR)
    rows = SessionLog.objects.filter(session=session, level__in=worrying).order_by()
    lines: Counter[tuple[str, str]] = Counter()
    grouped = rows.values_list("mailbox", "message").annotate(times=Count("pk"))
    for mailbox, message, times in grouped.order_by("-times", "mailbox")[:_MOST_LINES]:
        lines[mailbox, _shown(message)] += times
    return lines


def _shown(reason: str) -> str:
    return one_line(_FOLDER.sub("", reason), _REASON)
