from __future__ import annotations

from uuid import UUID

from tenants.models import AuditEvent


def record(
    *, action: str, subject: object, person_id: UUID | None = None, **detail: str | int | None
) -> None:
    """Write one event of the current tenant, inside the caller's transaction.

    ``action`` is dotted (``job.started``). ``person_id`` is None for the service itself. Never
    pass a secret or anything out of a mailbox in ``detail``.
    """
    AuditEvent.objects.create(
        action=action, subject=str(subject)[:200], person_id=person_id, detail=detail
    )
