from __future__ import annotations

from uuid import UUID

from backups.organizations.models import Organization
from backups.organizations.refusal import OrganizationRefused

_MAX_NAME = 200


def free_name(name: str, own: UUID | None) -> str:
    """The name without blanks around it. Raises OrganizationRefused when it can't be had.

    Checked before the insert: the constraint behind it tells nobody which field is wrong.
    """
    wanted = name.strip()
    if not wanted or len(wanted) > _MAX_NAME:
        raise OrganizationRefused("name", f"Give it a name of at most {_MAX_NAME} characters.")
    others = Organization.objects.exclude(pk=own) if own else Organization.objects.all()
    if others.filter(name=wanted).exists():
        raise OrganizationRefused("name", "Another organization has this name already.")
    return wanted
