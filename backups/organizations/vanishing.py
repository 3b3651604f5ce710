"""Mailboxes that the directory no longer lists: retired, unless too many go at once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from backups.organizations.models import Mailbox

GRACE = timedelta(days=7)
"""So long a listing may lack most mailboxes before it is believed."""
FEW = 5
"""Fewer than this may go at once, as long as any mailbox is left."""


def retire_missing(organization_id: UUID, system: str, listed: Collection[str]) -> str:
    """Retire a system's mailboxes whose source id a whole listing of it leaves out.

    A listing that is empty, or lacks more than half and at least ``FEW`` of the mailboxes, looks
    like a directory that shows itself in part: a right that was narrowed, a wrong tenant. It
    retires only what has been missing for ``GRACE``. Returns what to tell people then, "" else.
    """
    present = Mailbox.objects.present().filter(organization_id=organization_id, system=system)
    missing = present.exclude(source_id__in=listed)
    gone, known = missing.count(), present.count()
    suspicious = gone > 0 and (not listed or (gone >= FEW and gone * 2 > known))
    if suspicious:
        missing = missing.filter(seen_at__lt=Now() - GRACE)
        gone -= missing.count()
    missing.update(retired_at=Now())
    if not suspicious or not gone:
        return ""
    return (
        f"The directory suddenly lists {gone} of {known} mailboxes no more. They stay protected"
        f" for {GRACE.days} days, in case that is a mistake: compare what the application may see."
    )
