"""Organizations: connecting one, changing it, removing it."""

from __future__ import annotations

import re
from uuid import UUID

from django.db import transaction

from backups.infrastructure.keys import seal_secret
from backups.organizations.connections import key_row
from backups.organizations.credentials import check_credential, check_trust
from backups.organizations.models import Organization
from backups.organizations.naming import free_name
from backups.organizations.refusal import OrganizationRefused
from backups.organizations.servers import server_problem
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import APP

_DIRECTORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,98}[A-Za-z0-9])?")


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
        name=free_name(name, None),
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
    organization.name = free_name(name, organization.pk)
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


def _check_servers(**addresses: str) -> None:
    for field, url in addresses.items():
        problem = server_problem(url)
        if problem:
            raise OrganizationRefused(field, problem)


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
    organization.sealed_private_key = seal_secret(key_row(organization), private_key)
