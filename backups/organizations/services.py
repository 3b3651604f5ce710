"""Organizations: connecting one, and finding its mailboxes."""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now

from backups.infrastructure.keys import seal_secret, unseal_secret
from backups.organizations.models import Mailbox, Organization
from backups.sources import MailboxSource, SourceError, SourceMailbox
from backups.sources.graph import GraphSettings, GraphSource
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import tenant_scope


def connect_organization(
    *,
    name: str,
    directory: str,
    client_id: str,
    certificate: str,
    private_key: str,
    authority: str = "https://login.microsoftonline.com",
    graph_url: str = "https://graph.microsoft.com",
    trust: str = "",
    person_id: UUID | None = None,
) -> Organization:
    """Note how to reach an Exchange Online organization; the private key is sealed at once."""
    organization = Organization(
        id=uuid7(),
        name=name,
        directory=directory,
        client_id=client_id,
        certificate=certificate,
        authority=authority,
        graph_url=graph_url,
        trust=trust,
    )
    organization.sealed_private_key = seal_secret(_secret_row(organization), private_key)
    organization.save(force_insert=True)
    record(action="organization.connected", subject=name, person_id=person_id)
    return organization


def move_organization(
    *, organization: Organization, authority: str, graph_url: str, person_id: UUID | None = None
) -> None:
    """The organization's servers have other addresses now."""
    Organization.objects.filter(pk=organization.pk).update(authority=authority, graph_url=graph_url)
    record(action="organization.moved", subject=organization.name, person_id=person_id)


def source_for(organization: Organization) -> MailboxSource:
    """A connection to the organization, inside the tenant's scope. The caller closes it."""
    return GraphSource(
        GraphSettings(
            authority=organization.authority,
            graph_url=organization.graph_url,
            directory=organization.directory,
            client_id=organization.client_id,
            certificate_pem=organization.certificate,
            private_key_pem=unseal_secret(
                _secret_row(organization), bytes(organization.sealed_private_key)
            ),
            trust_pem=organization.trust or None,
        )
    )


def discover_mailboxes(organization_id: UUID, tenant_id: UUID) -> int:
    """Ask the organization which mailboxes it has, and note them. Returns how many.

    Opens transactions of its own: none is held while the organization answers. Raises
    SourceError, noted on the organization; a mailbox is only retired after a whole listing
    without it, so a listing that breaks off retires nothing.
    """
    with tenant_scope(tenant_id):
        source = source_for(Organization.objects.get(pk=organization_id))
    try:
        found = list(source.discover())
    except SourceError as error:
        with tenant_scope(tenant_id):
            _note_state(organization_id, Organization.State.FAILED, str(error))
        raise
    finally:
        source.close()
    with tenant_scope(tenant_id):
        _note_mailboxes(organization_id, tenant_id, found)
        _note_state(organization_id, Organization.State.CONNECTED, "")
    return len(found)


def _note_mailboxes(organization_id: UUID, tenant_id: UUID, found: list[SourceMailbox]) -> None:
    Mailbox.objects.bulk_create(
        [
            Mailbox(
                tenant_id=tenant_id,
                organization_id=organization_id,
                source_id=mailbox.id,
                address=mailbox.address,
                name=mailbox.name,
                kind=mailbox.kind,
                seen_at=Now(),
            )
            for mailbox in found
        ],
        update_conflicts=True,
        unique_fields=["organization", "source_id"],
        update_fields=["address", "name", "kind", "seen_at"],
    )
    listed = [mailbox.id for mailbox in found]
    mailboxes = Mailbox.objects.filter(organization_id=organization_id)
    mailboxes.filter(source_id__in=listed).exclude(retired_at=None).update(retired_at=None)
    mailboxes.present().exclude(source_id__in=listed).update(retired_at=Now())


def _note_state(organization_id: UUID, state: str, reason: str) -> None:
    values: dict[str, object] = {"state": state, "state_reason": reason}
    if state == Organization.State.CONNECTED:
        values["discovered_at"] = Now()
    Organization.objects.filter(pk=organization_id).update(**values)


def _secret_row(organization: Organization) -> str:
    return f"organization/{organization.pk}/private_key"
