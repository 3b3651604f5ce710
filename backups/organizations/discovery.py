"""Which mailboxes an organization has, asked for and noted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db.models.functions import Now

from backups.organizations.connections import systems_for
from backups.organizations.models import Mailbox, Organization
from backups.organizations.recovered import rejoin
from backups.organizations.vanishing import retire_missing
from backups.sources import MailboxSource, SourceError, SourceMailbox
from backups.sources.graph import Patience
from tenants.isolation.scope import tenant_scope

Found = dict[str, list[SourceMailbox]]
_SHARED = ("archive", "public")
"""Kinds of mailboxes that have the address of a person's mailbox, too."""


def discover_mailboxes(
    organization_id: UUID, tenant_id: UUID, patience: Patience | None = None
) -> int:
    """Ask the organization which mailboxes it has, and note them. Returns how many.

    Opens transactions of its own: none is held while the organization answers. A mailbox is only
    retired after a whole listing of its system without it, so a listing that breaks off retires
    nothing; what ``retire_missing`` does not believe is noted on the organization. Raises
    SourceError, noted on the organization, when no system could be listed; of a hybrid
    organization the one that could be is noted, and the reason for the other.
    """
    with tenant_scope(tenant_id):
        systems = systems_for(Organization.objects.get(pk=organization_id), patience)
    found, failures = _listed(systems)
    with tenant_scope(tenant_id):
        doubt = _note_mailboxes(organization_id, tenant_id, found) if found else ""
        if failures:
            names = {name: Mailbox.System(name).label for name in failures}
            said = [f"{names[name]}: {error}" for name, error in failures.items()]
            alone = len(systems) == 1
            reason = str(*failures.values()) if alone else "; ".join(said)
            _note_state(organization_id, Organization.State.FAILED, reason)
        else:
            _note_state(organization_id, Organization.State.CONNECTED, doubt)
    if failures and not found:
        raise next(iter(failures.values()))
    return sum(len(mailboxes) for mailboxes in found.values())


def note_failure(organization: Organization, reason: str) -> None:
    """The organization could not be reached, and why."""
    _note_state(organization.pk, Organization.State.FAILED, reason)


def _listed(systems: Mapping[str, MailboxSource]) -> tuple[Found, dict[str, SourceError]]:
    found: Found = {}
    failures: dict[str, SourceError] = {}
    try:
        for name, source in systems.items():
            try:
                found[name] = list(source.discover())
            except SourceError as error:
                failures[name] = error
    finally:
        for source in systems.values():
            source.close()
    return found, failures


def _note_mailboxes(organization_id: UUID, tenant_id: UUID, found: Found) -> str:
    rejoin(organization_id, [mailbox for listed in found.values() for mailbox in listed])
    waiting = _follow_moves(organization_id, found)
    mailboxes = Mailbox.objects.filter(organization_id=organization_id)
    archives = dict(mailboxes.values_list("source_id", "archive_id"))
    Mailbox.objects.bulk_create(
        [
            Mailbox(
                tenant_id=tenant_id,
                organization_id=organization_id,
                source_id=mailbox.id,
                # That the server says nothing about an archive doesn't mean that it is gone.
                archive_id=archives.get(mailbox.id, "")
                if mailbox.archive is None
                else mailbox.archive,
                address=mailbox.address,
                name=mailbox.name,
                kind=mailbox.kind,
                system=system,
                seen_at=Now(),
            )
            for system, listed in found.items()
            for mailbox in listed
            if mailbox.id not in waiting
        ],
        update_conflicts=True,
        unique_fields=["organization", "source_id"],
        update_fields=["archive_id", "address", "name", "kind", "system", "seen_at"],
    )
    doubts = []
    for system, each in found.items():
        listed = [mailbox.id for mailbox in each]
        mailboxes.filter(source_id__in=listed).exclude(retired_at=None).update(retired_at=None)
        doubts.append(retire_missing(organization_id, system, listed))
    return " ".join(filter(None, doubts))


def _follow_moves(organization_id: UUID, found: Found) -> set[str]:
    """Give a mailbox that is in another system now its new id; its row and backups stay.

    It is known by its address. Returns the ids of mailboxes that are not to be noted yet: while
    the system that held one can't be listed, or lists it as well, it stays where it was.
    """
    own = Mailbox.objects.filter(organization_id=organization_id)
    known = {row.source_id: row for row in own}
    by_address = {row.address.casefold(): row for row in known.values() if row.kind not in _SHARED}
    listed = {system: {mailbox.id for mailbox in each} for system, each in found.items()}
    waiting = set()
    for system, mailboxes in found.items():
        for mailbox in mailboxes:
            row = by_address.get(mailbox.address.casefold())
            if row is None or mailbox.kind in _SHARED or mailbox.id in known:
                continue
            if row.system == system:
                continue
            if _has_left(row, listed):
                own.filter(pk=row.pk).update(source_id=mailbox.id, archive_id="", system=system)
            else:
                waiting.add(mailbox.id)
    return waiting


def _has_left(row: Mailbox, listed: Mapping[str, Collection[str]]) -> bool:
    """Whether its system was listed whole, without it. One that was retired left before."""
    if row.system not in listed:
        return row.retired_at is not None
    return row.source_id not in listed[row.system]


def _note_state(organization_id: UUID, state: str, reason: str) -> None:
    values: dict[str, object] = {"state": state, "state_reason": reason}
    if state == Organization.State.CONNECTED:
        values["discovered_at"] = Now()
    Organization.objects.filter(pk=organization_id).update(**values)
