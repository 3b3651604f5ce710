"""From an organization's rows to the systems that its mailboxes live in."""

from __future__ import annotations

from urllib.parse import urlsplit

from backups.infrastructure.keys import unseal_secret
from backups.organizations.budget import SharedBudget
from backups.organizations.models import ExchangeServer, Mailbox, Organization
from backups.organizations.servers import reach
from backups.sources import HybridSource, MailboxSource
from backups.sources.ews import Auth, EwsSettings, EwsSource
from backups.sources.graph import GraphSettings, GraphSource, Patience
from backups.sources.tokens import SignIn


def source_for(organization: Organization, patience: Patience | None = None) -> MailboxSource:
    """A connection to the organization, inside the tenant's scope. The caller closes it."""
    systems = systems_for(organization, patience)
    if len(systems) == 1:
        (source,) = systems.values()
        return source
    return HybridSource(systems[Mailbox.System.ONLINE], systems[Mailbox.System.SERVER])


def systems_for(
    organization: Organization, patience: Patience | None = None
) -> dict[str, MailboxSource]:
    """A connection to each of the organization's systems, by `Mailbox.System`."""
    systems: dict[str, MailboxSource] = {}
    if organization.kind != Organization.Kind.ON_PREMISES:
        systems[Mailbox.System.ONLINE] = _online(organization, patience)
    if organization.kind != Organization.Kind.ONLINE:
        systems[Mailbox.System.SERVER] = EwsSource(server_settings(organization.servers.get()))
    return systems


def server_settings(server: ExchangeServer) -> EwsSettings:
    """Raises ValueError for settings that contradict each other."""
    organization = server.organization
    oauth = server.auth == ExchangeServer.Auth.OAUTH
    return EwsSettings(
        url=server.url,
        account=server.account,
        password=""
        if oauth
        else unseal_secret(password_row(server), bytes(server.sealed_password)),
        auth=Auth(server.auth),
        sign_in=_sign_in(organization, server) if oauth else None,
        addresses=tuple(server.addresses.split()),
        public_folders_through=server.public_folders_through,
        impersonation=server.impersonation,
        trust_pem=server.trust or None,
        resolve=reach(),
        proxy_url=server.proxy_url or None,
    )


def key_row(organization: Organization) -> str:
    """What the sealed private key is bound to."""
    return f"organization/{organization.pk}/private_key"


def password_row(server: ExchangeServer) -> str:
    """What the sealed password is bound to."""
    return f"exchange_server/{server.pk}/password"


def _online(organization: Organization, patience: Patience | None) -> GraphSource:
    settings = GraphSettings(
        authority=organization.authority,
        graph_url=organization.graph_url,
        directory=organization.directory,
        client_id=organization.client_id,
        certificate_pem=organization.certificate,
        private_key_pem=_private_key(organization),
        trust_pem=organization.trust or None,
    )
    budget = SharedBudget(
        server=organization.graph_url,
        application=organization.client_id,
        directory=organization.directory,
    )
    return GraphSource(settings, patience, budget)


def _sign_in(organization: Organization, server: ExchangeServer) -> SignIn:
    return SignIn(
        authority=organization.authority,
        resource=f"https://{urlsplit(server.url).netloc}",
        directory=organization.directory,
        client_id=organization.client_id,
        certificate_pem=organization.certificate,
        private_key_pem=_private_key(organization),
        trust_pem=organization.trust or None,
    )


def _private_key(organization: Organization) -> str:
    return unseal_secret(key_row(organization), bytes(organization.sealed_private_key))
