"""How backups are put into words and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime

from django import template
from django.template.defaultfilters import linebreaksbr
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.infrastructure.models import Allocation
from backups.jobs.models import Job
from backups.restores.models import BasketItem
from backups.sessions.models import Session, Task
from backups.streams import ItemView, Person, details, rows_of
from portal.templatetags.web import DASH, moment

register = template.Library()

_NAMED = re.compile(r"(.*\S)\s*<([^<>]+)>", re.DOTALL)

_CLASS_ICONS = (
    ("ipm.note", "mail", "Message"),
    ("ipm.schedule", "calendar-time", "Meeting request"),
    ("ipm.appointment", "calendar-event", "Event"),
    ("ipm.contact", "id", "Contact"),
    ("ipm.distlist", "users", "Distribution list"),
    ("ipm.task", "checkbox", "Task"),
    ("ipm.stickynote", "note", "Note"),
    ("ipm.activity", "activity", "Journal entry"),
    ("report", "alert-circle", "Report"),
)
_MAILBOX_ICONS = {
    "user": "user",
    "shared": "users",
    "room": "door",
    "equipment": "device-desktop",
    "archive": "archive",
}
_FOLDER_ICONS = {
    "inbox": "inbox",
    "sentitems": "send",
    "drafts": "note",
    "deleteditems": "trash",
    "calendar": "calendar-event",
    "contacts": "id",
    "tasks": "checkbox",
    "notes": "note",
    "archive": "archive",
    "junkemail": "alert-circle",
    "recoverableitemsdeletions": "trash",
}


@register.simple_tag(takes_context=True)
def basket_count(context: template.Context) -> int:
    """How many items this page's person has put aside in the tenant."""
    return BasketItem.objects.filter(person_id=context["request"].user.pk).count()


@register.filter
def schedule(job: Job) -> str:
    """The schedule of a job in words."""
    if job.schedule == Job.Schedule.DAILY and job.daily_at is not None:
        return f"Daily at {job.daily_at:%H:%M}"
    if job.schedule == Job.Schedule.INTERVAL and job.interval_minutes is not None:
        hours, minutes = divmod(job.interval_minutes, 60)
        if hours and not minutes:
            return "Every hour" if hours == 1 else f"Every {hours} hours"
        return f"Every {job.interval_minutes} minutes"
    return "By hand"


@register.filter
def retention(job: Job) -> str:
    return str(job.retention)


@register.filter
def class_icon(item_class: str) -> str:
    return next(
        (i for prefix, i, _ in _CLASS_ICONS if item_class.lower().startswith(prefix)),
        "file-unknown",
    )


@register.filter
def class_name(item_class: str) -> str:
    """What an item is, for those who cannot see the icon; its class where it has no name."""
    return next(
        (n for prefix, _, n in _CLASS_ICONS if item_class.lower().startswith(prefix)), item_class
    )


@register.filter
def mailbox_icon(kind: str) -> str:
    return _MAILBOX_ICONS.get(kind, "mailbox")


@register.filter
def folder_icon(well_known: str) -> str:
    return _FOLDER_ICONS.get(well_known, "folder")


@register.filter
def correspondent(sender: str) -> SafeString | str:
    """Who sent an item, by name, with the address behind it; a dash for nobody."""
    named = _NAMED.fullmatch(sender)
    if named is None:
        return sender or DASH
    return format_html('<span title="{}">{}</span>', named[2], named[1])


@register.filter
def share(part: int, whole: int | None) -> int:
    """``part`` of ``whole`` in per cent, 0 when the whole is unknown."""
    return min(100, 100 * part // whole) if whole else 0


@register.filter
def task_share(task: Task) -> int:
    """How far one mailbox of a session is, in per cent."""
    if task.ended_at is not None:
        return 100
    return share(task.items_handled, task.items_expected)


@register.filter
def took(session: Session) -> float | None:
    """Seconds that a session took, or None when it has not ended."""
    if session.started_at is None or session.ended_at is None:
        return None
    return (session.ended_at - session.started_at).total_seconds()


@register.filter
def used(allocations: Iterable[Allocation]) -> int:
    """Bytes that the allocations of a repository hold together."""
    return sum(allocation.used_bytes for allocation in allocations)


@register.filter
def addressed(message: ItemView) -> list[tuple[str, tuple[Person, ...]]]:
    """Whom a message went to, by field; fields that are empty are left out."""
    fields = (("To", message.to), ("Cc", message.cc), ("Bcc", message.bcc))
    return [(title, people) for title, people in fields if people]


@register.filter
def event_in(message: ItemView) -> details.EventView | None:
    """The event that an item is, or that a meeting message is about."""
    detail = message.detail
    if isinstance(detail, details.MeetingView):
        return detail.event
    return detail if isinstance(detail, details.EventView) else None


@register.filter
def detail_rows(message: ItemView) -> list[tuple[str, str]]:
    """(label, text) of what an item says beside its body, moments in the current time zone."""
    return [(label, _shown(value)) for label, value in rows_of(message.detail)]


def _shown(value: str | date | datetime) -> str:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return linebreaksbr(value)
