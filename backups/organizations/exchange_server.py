"""The Exchange Server of an organization: noted, changed, and found by Autodiscover."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from backups.infrastructure.keys import seal_secret
from backups.organizations.connections import password_row
from backups.organizations.credentials import check_trust
from backups.organizations.models import ExchangeServer, Organization
from backups.organizations.naming import free_name
from backups.organizations.refusal import OrganizationRefused
from backups.organizations.servers import ews_problem, proxy_problem, reach
from backups.sources import SourceError, Unavailable
from backups.sources.ews import Auth, EwsSettings, find_url
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import APP

MAX_ADDRESSES = 50_000


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How to reach a server. ``addresses`` and ``public_folders_through`` as in EwsSettings; an
    empty ``password`` keeps the one that is stored."""

    url: str
    account: str = ""
    password: str = field(default="", repr=False)
    auth: str = ExchangeServer.Auth.NTLM
    impersonation: bool = True
    trust: str = ""
    proxy_url: str = ""
    addresses: tuple[str, ...] = ()
    public_folders_through: str = ""


def connect_server(
    *, name: str, access: ServerAccess, person_id: UUID | None = None
) -> Organization:
    """Note how to reach an organization of Exchange Server; the password is sealed at once.

    Raises OrganizationRefused, naming the field of ServerAccess, for a name that is taken, an
    address that may not be reached from here, or settings that contradict each other.
    """
    organization = Organization(
        id=uuid7(), name=free_name(name, None), kind=Organization.Kind.ON_PREMISES
    )
    server = _checked(ExchangeServer(id=uuid7(), organization=organization), access)
    with transaction.atomic(using=APP):
        organization.save(force_insert=True)
        server.save(force_insert=True)
        record(action="organization.connected", subject=organization.name, person_id=person_id)
    return organization


def set_server(
    *,
    organization: Organization,
    access: ServerAccess,
    name: str = "",
    person_id: UUID | None = None,
) -> None:
    """Change how the server is reached; an organization of Exchange Online becomes hybrid by it.

    An empty ``name`` keeps the organization's. Raises OrganizationRefused as `connect_server` does.
    """
    if name:
        organization.name = free_name(name, organization.pk)
    stored = organization.servers.first()
    server = _checked(stored or ExchangeServer(id=uuid7(), organization=organization), access)
    with transaction.atomic(using=APP):
        server.save(force_insert=stored is None)
        if organization.kind == Organization.Kind.ONLINE:
            organization.kind = Organization.Kind.HYBRID
        organization.save(update_fields=["name", "kind"])
        action = "organization.server_edited" if stored else "organization.server_added"
        record(action=action, subject=organization.name, person_id=person_id)


def with_address(access: ServerAccess) -> ServerAccess:
    """The access with the address that Autodiscover tells, where none was written.

    Asks the hosts of the first mailbox's domain. Raises OrganizationRefused with what they said.
    """
    if access.url:
        return access
    address = next(iter(access.addresses), access.public_folders_through)
    if not address or not access.account or not access.password:
        reason = "Write the address, or account, password and a mailbox to ask Autodiscover with."
        raise OrganizationRefused("url", reason)
    check_trust(access.trust)
    try:
        settings = EwsSettings(
            url="https://autodiscover.invalid/",
            account=access.account,
            password=access.password,
            auth=Auth(access.auth),
            trust_pem=access.trust or None,
            resolve=reach(),
            proxy_url=access.proxy_url or None,
        )
        return replace(access, url=find_url(address, settings, _permit))
    except (SourceError, ValueError) as error:
        raise OrganizationRefused("url", f"Autodiscover: {error}") from error


def _permit(url: str) -> None:
    if problem := ews_problem(url):
        raise Unavailable(problem)


def _checked(server: ExchangeServer, access: ServerAccess) -> ExchangeServer:
    """The row with what is wanted, not saved."""
    if problem := ews_problem(access.url):
        raise OrganizationRefused("url", problem)
    if access.proxy_url and (problem := proxy_problem(access.proxy_url)):
        raise OrganizationRefused("proxy_url", problem)
    check_trust(access.trust)
    oauth = access.auth == ExchangeServer.Auth.OAUTH
    if oauth and not server.organization.client_id:
        reason = "OAuth needs the organization's app registration, and it has none."
        raise OrganizationRefused("auth", reason)
    if access.auth not in ExchangeServer.Auth.values:
        raise OrganizationRefused("auth", f"There is no sign-in called {access.auth}.")
    if not oauth and not access.account.strip():
        raise OrganizationRefused("account", "Write the service account, such as ACME\\stowage.")
    moved = (server.url, server.proxy_url) != (access.url, access.proxy_url)
    if not oauth and not access.password and (not server.sealed_password or moved):
        # A stored password is never sent to a server that its owner did not give it for.
        raise OrganizationRefused("password", "Write the account's password.")
    server.url, server.proxy_url = access.url, access.proxy_url
    server.auth, server.account = access.auth, access.account.strip()
    server.impersonation, server.trust = access.impersonation, access.trust
    server.addresses = "\n".join(_addresses(access.addresses))
    server.public_folders_through = access.public_folders_through.strip()
    if not server.addresses and not server.public_folders_through:
        raise OrganizationRefused("addresses", "Write the addresses of the mailboxes, one a line.")
    if access.password:
        server.sealed_password = seal_secret(password_row(server), access.password)
    return server


def _addresses(wanted: tuple[str, ...]) -> list[str]:
    """Each once, in lower case. Raises OrganizationRefused naming the one that is none."""
    found = list(dict.fromkeys(one.strip().lower() for one in wanted if one.strip()))
    if len(found) > MAX_ADDRESSES:
        raise OrganizationRefused("addresses", f"At most {MAX_ADDRESSES} addresses.")
    for one in found:
        try:
            validate_email(one)
        except ValidationError as error:
            raise OrganizationRefused("addresses", f"{one} is not an address.") from error
    return found
