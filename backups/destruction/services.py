"""Asking for a destruction: from the moment it is committed, nothing can be seen here any more.

One transaction takes the rows and the wrapped keys out of the database and notes what is left to
be done in the repositories; the tick has it done (work.py), however often it is interrupted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from backups.catalog.models import (
    BlobLocation,
    ItemVersion,
    MailboxBackup,
    Pack,
    RestorePoint,
)
from backups.destruction.models import Destruction, DestructionPlace
from backups.destruction.rows import delete_with_dependents, point_to
from backups.infrastructure.models import Allocation, MailboxKey
from backups.organizations.models import Mailbox, Organization
from backups.repository.key_service import service_of
from backups.repository.keys import wrapping_key_id
from backups.retention.models import CollectionRun, LegalHold
from backups.sessions.models import FINAL, Session, Task
from backups.verifications.models import OPEN, DamagedObject, Verification
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import APP, tenant_scope
from tenants.models import Person, Tenant, TenantKey

LONGEST_REASON = 500
REQUESTED = "destruction.requested"
_OF_A_MAILBOX = (Task, MailboxBackup, MailboxKey)
"""Its backups; all else that refers to it is what the tenant wants of it from now on."""


class DestructionRefused(Exception):
    """The message is for the person who asked."""


def destroy_mailbox_backups(
    *, mailbox: Mailbox, reason: str, confirmation: str, person_id: UUID | None = None
) -> Destruction:
    """Destroy all backups of a mailbox, in every repository: it has one key for all of them.

    ``confirmation`` is its address, typed by whoever asks. The mailbox goes on under a new id, so
    its jobs back it up anew with a new key. Raises DestructionRefused; then nothing was changed.
    """
    with transaction.atomic(using=APP):
        # Whoever queues a task of the mailbox meanwhile waits here, and then finds it gone.
        locked = Mailbox.objects.select_for_update(of=("self",)).filter(pk=mailbox.pk).first()
        if locked is None:
            raise DestructionRefused("The backups of this mailbox were destroyed already.")
        _require_confirmed(locked.address, confirmation)
        backups = list(MailboxBackup.objects.select_for_update(of=("self",)).filter(mailbox=locked))
        if not backups:
            raise DestructionRefused(f"There is no backup of {locked.address}.")
        _require_free([locked.pk], backups)
        destruction = _begin(locked.address, locked.pk, reason, person_id)
        facts = _measured(backups)
        facts["keys"] = _described("mailbox", MailboxKey.objects.filter(mailbox=locked))
        gone: Counter[str] = Counter()
        for model in _OF_A_MAILBOX:
            delete_with_dependents(model, "mailbox_id = %s", [locked.pk], gone)
        _give_new_id(locked)
        _note_facts(destruction, facts, gone)
    return destruction


def destroy_tenant_backups(
    *, tenant: Tenant, reason: str, confirmation: str, person_id: UUID | None = None
) -> Destruction:
    """Destroy all that a tenant has backed up: every key, dictionary, row and stored byte.

    ``confirmation`` is the tenant's short name. Organizations, jobs and sessions go too, for their
    secrets were sealed with his key; people, bills and the audit stay. His id can never be used
    in these repositories again. Raises DestructionRefused: he has to be suspended first.
    """
    with tenant_scope(tenant.pk):
        fresh = Tenant.objects.get(pk=tenant.pk)
        if fresh.state != Tenant.State.SUSPENDED:
            raise DestructionRefused(f"{fresh} is not suspended: its jobs would go on meanwhile.")
        _require_confirmed(fresh.slug, confirmation)
        locked = Organization.objects.select_for_update(of=("self",)).order_by("pk")
        list(locked.values_list("pk", flat=True))
        backups = list(MailboxBackup.objects.select_for_update(of=("self",)))
        _require_free(list(Mailbox.objects.values_list("pk", flat=True)), backups)
        if Verification.objects.filter(state__in=OPEN).exists():
            raise DestructionRefused("A verification is under way. Stop it first.")
        destruction = _begin(fresh.name, None, reason, person_id)
        facts = _measured(backups)
        facts["keys"] = _described("tenant", TenantKey.objects.all()) + _described(
            "mailbox", MailboxKey.objects.all()
        )
        _note_facts(destruction, facts, _delete_all())
    return destruction


def is_under_way(mailbox_id: UUID | None = None) -> bool:
    """Whether the tenant's share, or one mailbox, is being destroyed."""
    return Destruction.objects.filter(mailbox_id=mailbox_id, finished_at=None).exists()


def _delete_all() -> Counter[str]:
    gone: Counter[str] = Counter()
    # Each after what protects it.
    for model in (
        Task,
        MailboxBackup,
        MailboxKey,
        Session,
        Organization,
        Verification,
        BlobLocation,
        Pack,
        DamagedObject,
        CollectionRun,
        TenantKey,
    ):
        delete_with_dependents(model, "true", [], gone)
    return gone


def _begin(
    subject: str, mailbox_id: UUID | None, reason: str, person_id: UUID | None
) -> Destruction:
    reason = reason.strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise DestructionRefused(f"Give a reason of at most {LONGEST_REASON} characters.")
    if is_under_way(None) or is_under_way(mailbox_id):
        raise DestructionRefused("This is being destroyed already.")
    person = Person.objects.filter(pk=person_id).first() if person_id else None
    destruction = Destruction.objects.create(
        mailbox_id=mailbox_id,
        subject=subject,
        reason=reason,
        requested_by_id=person_id,
        requester=person.email if person else "the provider",
    )
    # Everywhere, not only where a backup is known: a copy of the key may be older than its row.
    for allocation in Allocation.objects.order_by("pk"):
        DestructionPlace.objects.create(
            destruction=destruction,
            repository_id=allocation.repository_id,
            allocation=allocation.name,
        )
    record(action=REQUESTED, subject=subject, person_id=person_id, reason=reason)
    return destruction


def _require_confirmed(expected: str, confirmation: str) -> None:
    if confirmation.strip().casefold() != expected.casefold():
        raise DestructionRefused(f"Write {expected} to confirm.")


def _require_free(mailboxes: list[UUID], backups: list[MailboxBackup]) -> None:
    if any(backup.rebuild_wanted for backup in backups):
        raise DestructionRefused(
            "The catalog is to be made again first: only then it is known what is under legal hold."
        )
    known = set(LegalHold.objects.filter(mailbox__in=mailboxes).values_list("pk", flat=True))
    held = LegalHold.objects.in_force().filter(mailbox__in=mailboxes).exists()
    # One that only the chain knows is of a lost database; retention makes its row again.
    if held or any(set(map(UUID, backup.holds)) - known for backup in backups):
        raise DestructionRefused("A legal hold is in force. Release it first.")
    tasks = Task.objects.exclude(state__in=FINAL)
    if tasks.filter(mailbox__in=mailboxes).exists() or tasks.filter(backup__in=backups).exists():
        raise DestructionRefused("A backup or a restore is under way or waits. Stop it first.")


def _measured(backups: list[MailboxBackup]) -> dict[str, object]:
    versions = ItemVersion.objects.filter(backup__in=backups)
    return {
        "backups": len(backups),
        "restore_points": RestorePoint.objects.filter(backup__in=backups).count(),
        "item_versions": versions.count(),
        "source_bytes": int(versions.aggregate(bytes=Sum("size"))["bytes"] or 0),
    }


def _described(of: str, keys: Iterable[TenantKey | MailboxKey]) -> list[dict[str, str | int]]:
    described: list[dict[str, str | int]] = []
    for key in keys:
        wrapped = bytes(key.wrapped)
        owner = key.mailbox_id if isinstance(key, MailboxKey) else key.tenant_id
        described.append(
            {
                "key": f"{of} {owner}",
                "version": key.version,
                "wrapped_by": wrapping_key_id(wrapped) or service_of(wrapped) or "",
                "sha256": hashlib.sha256(wrapped).hexdigest(),
            }
        )
    return sorted(described, key=lambda entry: (str(entry["key"]), int(entry["version"])))


def _give_new_id(mailbox: Mailbox) -> None:
    """Repositories never take a key under the old one again; what refers to it goes along."""
    new = uuid7()
    point_to(Mailbox, mailbox.pk, new, but=_OF_A_MAILBOX)
    Mailbox.objects.filter(pk=mailbox.pk).update(id=new)


def _note_facts(destruction: Destruction, facts: dict[str, object], gone: Counter[str]) -> None:
    facts["rows"] = {table: count for table, count in sorted(gone.items()) if count}
    Destruction.objects.filter(pk=destruction.pk).update(facts=facts)
    destruction.facts = facts
