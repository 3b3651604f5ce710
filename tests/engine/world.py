"""Acme with a running sandbox Exchange, a repository and a job; the worker is called directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from backups.catalog.models import ItemVersion, MailboxBackup
from backups.infrastructure.keys import ensure_root_key, open_vault
from backups.infrastructure.models import Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.models import Job
from backups.jobs.services import create_job, start_job
from backups.organizations.models import Mailbox
from backups.organizations.services import connect_organization
from backups.repository import MailboxState
from backups.sessions.models import Session, SessionLog
from backups.sessions.prepare import prepare_session
from backups.sessions.slices import run_queue
from sandbox.testing import Sandbox
from tenants.isolation.scope import tenant_scope
from tenants.models import Tenant
from tenants.services import create_tenant

MAIL = """\
From: Noor Haddad <noor@example.net>
To: mara@acme.example
Subject: {subject}
Date: Fri, 20 Nov 2026 08:30:00 +0000
Message-ID: <{subject}@example.net>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

{body}
"""


def mail(subject: str, body: str = "Hello.") -> bytes:
    return MAIL.format(subject=subject, body=body).encode()


@dataclass
class World:
    sandbox: Sandbox
    tenant: Tenant
    job: Job
    repository: Repository
    queue: str

    @property
    def id(self) -> UUID:
        return self.tenant.pk

    def run_job(self) -> Session:
        """Start the job and work until nothing waits, as the workers would."""
        with tenant_scope(self.id):
            session = start_job(job=Job.objects.get(pk=self.job.pk))
        prepare_session(session.pk, self.id)
        while run_queue(self.queue):
            pass
        return self.session(session.pk)

    def session(self, session_id: UUID) -> Session:
        with tenant_scope(self.id):
            return Session.objects.get(pk=session_id)

    def log(self, session: Session) -> list[str]:
        with tenant_scope(self.id):
            rows = SessionLog.objects.filter(session=session)
            return [f"{row.mailbox}: {row.message}" for row in rows]

    def mailbox(self, address: str = "mara@acme.example") -> Mailbox:
        with tenant_scope(self.id):
            return Mailbox.objects.get(address=address)

    def current(self, address: str = "mara@acme.example") -> dict[str, ItemVersion]:
        """The catalog's current items by subject."""
        with tenant_scope(self.id):
            rows = ItemVersion.objects.current().filter(backup__mailbox__address=address)
            return {row.subject: row for row in rows}

    def head(self, address: str = "mara@acme.example") -> int:
        with tenant_scope(self.id):
            return MailboxBackup.objects.get(mailbox__address=address).head

    def stored(self, address: str = "mara@acme.example") -> MailboxState:
        """The mailbox as the repository alone tells it."""
        mailbox = self.mailbox(address)
        with tenant_scope(self.id):
            vault = open_vault(self.repository.pk)
        return vault.state(mailbox.pk)

    def payloads(self, address: str = "mara@acme.example") -> dict[str, bytes]:
        """Item id → bytes, read back from the repository without its database."""
        mailbox = self.mailbox(address)
        with tenant_scope(self.id):
            vault = open_vault(self.repository.pk)
        index = vault.pack_index()
        return {
            item.item_id: vault.read_item(item.recipe, item.blobs, item.sha256, _of(index))
            for item in vault.state(mailbox.pk).items.values()
        }

    def sandbox_payloads(self, address: str = "mara@acme.example") -> dict[str, bytes]:
        store = self.sandbox.store
        mailbox = store.user(address).mailbox
        assert mailbox
        return {
            item.id: store.payload(mailbox, item.id)
            for folder in store.folders(mailbox)
            for item in store.items(folder.id)
        }


@contextmanager
def tenant_of(world: World) -> Iterator[None]:
    with tenant_scope(world.id):
        yield


def _of(index):  # type: ignore[no-untyped-def]
    return lambda ids: {key: index[key] for key in ids if key in index}


def make_world(sandbox: Sandbox, folder: Path) -> World:
    """Mara and Jun of Acme, three mails each, and a job that protects both."""
    ensure_root_key()
    for name in ("mara", "jun"):
        sandbox.add_mailbox(f"{name}@acme.example")
        for number in range(3):
            sandbox.add_mail(f"{name}@acme.example", "Inbox", mail(f"{name}-{number}"))
    registration = sandbox.register("acme.example")
    proxy = default_proxy()
    repository = create_repository(proxy=proxy, name="Main repository", location=folder)
    tenant = create_tenant(name="Acme", slug="acme")
    allocation = allocate(tenant=tenant, repository=repository, name="Acme's share")
    with tenant_scope(tenant.pk):
        organization = connect_organization(
            name="Acme Online",
            directory=registration.directory,
            client_id=registration.client_id,
            certificate=registration.certificate_pem,
            private_key=registration.private_key_pem,
            authority=registration.authority,
            graph_url=registration.graph_url,
            trust=registration.trust_pem or "",
        )
        job = create_job(name="Everyone", organization=organization, allocation=allocation)
    return World(sandbox, tenant, job, repository, proxy.queue)
