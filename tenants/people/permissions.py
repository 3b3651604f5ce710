"""Which role may do what, in one table."""

from __future__ import annotations

import enum

from django.db import models


class Role(models.TextChoices):
    ADMINISTRATOR = "administrator", "Administrator"
    OPERATOR = "operator", "Operator"
    RESTORE_OPERATOR = "restore_operator", "Restore operator"
    AUDITOR = "auditor", "Auditor"


class Permission(enum.StrEnum):
    SEE_BACKUPS = "see_backups"
    """Organizations, jobs, sessions, allocations: names, states and numbers."""
    SEE_CONTENT = "see_content"
    """Folders and items of mailboxes."""
    RUN_JOBS = "run_jobs"
    MANAGE_JOBS = "manage_jobs"
    MANAGE_HOLDS = "manage_holds"
    """Place and release legal holds."""
    DESTROY_BACKUPS = "destroy_backups"
    """Destroy all backups of a mailbox, for good."""
    MANAGE_ORGANIZATIONS = "manage_organizations"
    RESTORE = "restore"
    MANAGE_PEOPLE = "manage_people"


PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.OPERATOR: frozenset({Permission.SEE_BACKUPS, Permission.RUN_JOBS, Permission.MANAGE_JOBS}),
    Role.RESTORE_OPERATOR: frozenset(
        {Permission.SEE_BACKUPS, Permission.SEE_CONTENT, Permission.RESTORE}
    ),
    Role.AUDITOR: frozenset({Permission.SEE_BACKUPS}),
}


def allowed(role: str, permission: Permission) -> bool:
    return permission in PERMISSIONS.get(role, frozenset())
