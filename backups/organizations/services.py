"""Organizations: connecting one, changing it, and finding its mailboxes."""

from __future__ import annotations

import re
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from backups.infrastructure.keys import seal_secret, unseal_secret
from backups.organizations.budget import SharedBudget
from backups.organizations.credentials import check_credential, check_trust
from backups.organizations.models import Mailbox, Organization
from backups.organizations.recovered import rejoin
from backups.organizations.refusal import OrganizationRefused
from backups.organizations.servers import server_problem
from backups.organizations.vanishing import retire_missing
from backups.sources import MailboxSource, SourceError, SourceMailbox
from backups.sources.graph import GraphSettings, GraphSource, Patience
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import APP, tenant_scope

_DIRECTORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,98}[A-Za-z0-9])?")
_MAX_NAME = 200


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
    """Note how to reach an Exchange Online organization; the private key is sealed at once.

    Raises OrganizationRefused, naming the argument, for a name that is taken, a credential that
    is none, or a server that the operator has not allowed (``PORTAL_ALLOWED_SERVERS``).
    """
    if not _DIRECTORY.fullmatch(directory):
        raise OrganizationRefused("directory", "Write the tenant's id or its domain.")
    _check_servers(authority=authority, graph_url=graph_url)
    check_trust(trust)
    organization = Organization(
        id=uuid7(),
        name=_free_name(name, None),
        directory=directory,
        client_id=_client_id(client_id),
        authority=authority,
        graph_url=graph_url,
        trust=trust,
    )
    _set_credential(organization, certificate, private_key)
    with transaction.atomic(using=APP):
        organization.save(force_insert=True)
        record(action="organization.connected", subject=name, person_id=person_id)
    return organization


def edit_organization(
    *,
    organization: Organization,
    name: str,
    client_id: str,
    certificate: str = "",
    private_key: str = "",
    person_id: UUID | None = None,
) -> None:
    """Change the name and the credential. Certificate and key both empty keep what is stored.

    Raises OrganizationRefused as ``connect_organization`` does.
    """
    organization.name = _free_name(name, organization.pk)
    organization.client_id = _client_id(client_id)
    renewed = bool(certificate.strip() or private_key.strip())
    if renewed:
        _set_credential(organization, certificate, private_key)
    with transaction.atomic(using=APP):
        organization.save(update_fields=["name", "client_id", "certificate", "sealed_private_key"])
        action = "organization.credential_renewed" if renewed else "organization.edited"
        record(action=action, subject=organization.name, person_id=person_id)


def remove_organization(*, organization: Organization, person_id: UUID | None = None) -> None:
    """Forget an organization that nothing depends on.

    Raises OrganizationRefused while a job uses it, or backups of its mailboxes are kept.
    """
    job = organization.jobs.first()
    if job is not None:
        raise OrganizationRefused("", f"The job {job} uses it. Delete its jobs first.")
    if organization.mailboxes.filter(backups__isnull=False).exists():
        raise OrganizationRefused(
            "", "Backups of its mailboxes are kept here. It stays, so that they can be restored."
        )
    with transaction.atomic(using=APP):
        record(action="organization.removed", subject=organization.name, person_id=person_id)
        organization.delete()


def move_organization(
    *, organization: Organization, authority: str, graph_url: str, person_id: UUID | None = None
) -> None:
    """The organization's servers have other addresses now. Raises OrganizationRefused."""
    _check_servers(authority=authority, graph_url=graph_url)
    Organization.objects.filter(pk=organization.pk).update(authority=authority, graph_url=graph_url)
    record(action="organization.moved", subject=organization.name, person_id=person_id)


def source_for(organization: Organization, patience: Patience | None = None) -> MailboxSource:
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
        ),
        patience,
        SharedBudget(
            server=organization.graph_url,
            application=organization.client_id,
            directory=organization.directory,
        ),
    )


def discover_mailboxes(
    organization_id: UUID, tenant_id: UUID, patience: Patience | None = None
) -> int:
    """Ask the organization which mailboxes it has, and note them. Returns how many.

    Opens transactions of its own: none is held while the organization answers. Raises
    SourceError, noted on the organization; a mailbox is only retired after a whole listing
    without it, so a listing that breaks off retires nothing. What ``retire_missing`` does not
    believe is noted on the organization, too.
    """
    with tenant_scope(tenant_id):
        source = source_for(Organization.objects.get(pk=organization_id), patience)
    try:
        found = list(source.discover())
    except SourceError as error:
        with tenant_scope(tenant_id):
            _note_state(organization_id, Organization.State.FAILED, str(error))
        raise
    finally:
        source.close()
    with tenant_scope(tenant_id):
        doubt = _note_mailboxes(organization_id, tenant_id, found)
        _note_state(organization_id, Organization.State.CONNECTED, doubt)
    return len(found)


def note_failure(organization: Organization, reason: str) -> None:
    """The organization could not be reached, and why."""
    _note_state(organization.pk, Organization.State.FAILED, reason)


def _note_mailboxes(organization_id: UUID, tenant_id: UUID, found: list[SourceMailbox]) -> str:
    rejoin(organization_id, found)
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
    return retire_missing(organization_id, listed)


def _note_state(organization_id: UUID, state: str, reason: str) -> None:
    values: dict[str, object] = {"state": state, "state_reason": reason}
    if state == Organization.State.CONNECTED:
        values["discovered_at"] = Now()
    Organization.objects.filter(pk=organization_id).update(**values)


def _check_servers(**addresses: str) -> None:
    for field, url in addresses.items():
        problem = server_problem(url)
        if problem:
            raise OrganizationRefused(field, problem)


def _free_name(name: str, own: UUID | None) -> str:
    """Checked before the insert: the constraint behind it tells nobody which field is wrong."""
    wanted = name.strip()
    if not wanted or len(wanted) > _MAX_NAME:
        raise OrganizationRefused("name", f"Give it a name of at most {_MAX_NAME} characters.")
    others = Organization.objects.exclude(pk=own) if own else Organization.objects.all()
    if others.filter(name=wanted).exists():
        raise OrganizationRefused("name", "Another organization has this name already.")
    return wanted


def _client_id(value: str) -> str:
    try:
        return str(UUID(value.strip()))
    except ValueError as error:
        raise OrganizationRefused(
            "client_id", "An application's id looks like 00000000-0000-0000-0000-000000000000."
        ) from error


def _set_credential(organization: Organization, certificate: str, private_key: str) -> None:
    check_credential(certificate=certificate, private_key=private_key)
    organization.certificate = certificate
    organization.sealed_private_key = seal_secret(_secret_row(organization), private_key)


def _secret_row(organization: Organization) -> str:
    return f"organization/{organization.pk}/private_key"
