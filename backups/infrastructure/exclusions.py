"""Folders that no job of any tenant backs up. What reads them is backups/jobs/exclusions.py."""

from __future__ import annotations

from uuid import UUID

from backups.jobs.models import GlobalExclusion
from portal.ids import uuid7
from tenants.isolation.scope import OPERATOR


def exclude_folder(name: str) -> bool:
    """Leave out folders of this name or role from the next session on.

    False when the name is in the list, in whatever case; what was stored of them stays.
    """
    rows = GlobalExclusion.objects.using(OPERATOR)
    if rows.filter(name__iexact=name).exists():
        return False
    _, made = rows.get_or_create(name=name, defaults={"id": uuid7()})
    return made


def include_folder(exclusion_id: UUID) -> None:
    """Back up folders of this name again from the next session on."""
    GlobalExclusion.objects.using(OPERATOR).filter(pk=exclusion_id).delete()
