"""An application registered in an organization of the sandbox, as a wizard would leave it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass

from sandbox.certificate import make_application_certificate
from sandbox.records import Application, ServerAccount
from sandbox.store import Store

BACKUP_ROLES = (
    "User.Read.All",
    "MailboxSettings.Read",
    "MailboxFolder.Read.All",
    "MailboxItem.Read.All",
    "MailboxItem.Export.All",
)
RESTORE_ROLES = (
    "MailboxFolder.ReadWrite.All",
    "MailboxItem.ReadWrite.All",
    "MailboxItem.ImportExport.All",
)
ALL_ROLES = BACKUP_ROLES + RESTORE_ROLES


@dataclass(frozen=True, slots=True)
class Registration:
    """How to reach an organization and with which key; the names are those of GraphSettings."""

    authority: str
    graph_url: str
    directory: str
    client_id: str
    certificate_pem: str
    private_key_pem: str
    trust_pem: str | None


@dataclass(frozen=True, slots=True)
class ServerRegistration:
    """How to reach an organization's Exchange Server: Basic and NTLM take the same account."""

    ews_url: str
    user_name: str
    password: str
    trust_pem: str | None


def register(
    store: Store,
    directory: str,
    *,
    url: str,
    trust_pem: str,
    roles: tuple[str, ...] = ALL_ROLES,
    name: str = "Stowage",
) -> Registration:
    """Register an application with a fresh key in a directory (id or domain) of a sandbox.

    ``url`` is where the sandbox is served. Raises NotFound for an unknown directory.
    """
    found = store.directory(directory)
    certificate, key = make_application_certificate(name)
    client_id = str(uuid.uuid4())
    store.put_application(Application(found.id, client_id, name, certificate, roles))
    return Registration(url, url, found.id, client_id, certificate, key, trust_pem)


def register_server_account(
    store: Store, directory: str, name: str, *, impersonates: bool = True, password: str = ""
) -> ServerAccount:
    """An account at the server of a directory (id or domain), with a password made for it.

    ``impersonates``: it has the role ApplicationImpersonation. Raises NotFound.
    """
    found = store.directory(directory)
    account = ServerAccount(found.id, name, password or secrets.token_urlsafe(18), impersonates)
    store.put_server_account(account)
    return account
