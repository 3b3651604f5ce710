"""An application registered in an organization of the sandbox, as a wizard would leave it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sandbox.certificate import make_application_certificate
from sandbox.records import Application
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
