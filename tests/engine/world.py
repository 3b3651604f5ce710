"""Acme with a running sandbox Exchange, a repository and a job; the worker is called directly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.db.models.functions import Now

from backups.catalog.models import Folder, ItemFault, ItemVersion, MailboxBackup
from backups.infrastructure.keys import ensure_root_key, open_vault, seal_secret
from backups.infrastructure.models import Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.models import Job
from backups.jobs.services import create_job, start_job
from backups.organizations.models import Mailbox, Organization
from backups.organizations.services import connect_organization
from backups.repository import MailboxState
from backups.sessions.bell import INTERACTIVE
from backups.sessions.models import Session, SessionLog, State, Task
from backups.sessions.prepare import prepare_session
from backups.sessions.reaping import reap
from backups.sessions.slices import run_queue
from sandbox.records import Item
from sandbox.registration import ALL_ROLES
from sandbox.testing import Sandbox
from tenants.isolation.scope import OPERATOR, tenant_scope
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


MARA, JUN = "mara@acme.example", "jun@acme.example"


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
        """Start the job and work until its session has ended, as the workers would."""
        return self.work(self.start())

    def start(self) -> Session:
        """Start the job and queue its tasks."""
        with tenant_scope(self.id):
            session = start_job(job=Job.objects.get(pk=self.job.pk))
        prepare_session(session.pk, self.id)
        return self.session(session.pk)

    def work(self, session: Session) -> Session:
        """Work until the session has ended. Pauses are over at once."""
        for _ in range(20):
            while run_queue(self.queue) or run_queue(INTERACTIVE):
                pass
            if not self.session(session.pk).is_open:
                return self.session(session.pk)
            Task.objects.using(OPERATOR).filter(state=State.QUEUED).update(not_before=Now())
            Session.objects.using(OPERATOR).filter(pk=session.pk).update(prepare_after=Now())
            prepare_session(session.pk, self.id)
        raise AssertionError(f"the session does not end: {self.log(session)}")

    def bury_workers(self) -> set[str]:
        """Let the leases of dead workers run out, and reap them."""
        Task.objects.using(OPERATOR).filter(state=State.RUNNING).update(
            lease_until=Now() - timedelta(seconds=1)
        )
        return reap()

    def verify(self) -> None:
        """Sandbox, repository (without its database) and catalog hold the same, byte for byte."""
        for user in self.sandbox.store.users(self.sandbox.add_organization("acme.example").id):
            stored = self.stored(user.address)
            there = {
                item.id: (item.change_key, folder.id)
                for folder in self.sandbox.store.folders(user.mailbox or "")
                for item in self.sandbox.store.items(folder.id)
            }
            assert {i.item_id: (i.change_key, i.folder_id) for i in stored.items.values()} == there
            assert self.payloads(user.address) == self.sandbox_payloads(user.address)
            with tenant_scope(self.id):
                rows = ItemVersion.objects.current().filter(backup__mailbox__address=user.address)
                catalog = {row.item_id: (row.change_key, row.folder_id) for row in rows}
                folders = Folder.objects.current().filter(backup__mailbox__address=user.address)
                names = {row.folder_id: row.name for row in folders}
                head = MailboxBackup.objects.get(mailbox__address=user.address).head
            assert catalog == there
            assert names == {folder.id: folder.name for folder in stored.folders.values()}
            assert head == stored.sequence

    def job_state(self) -> str:
        with tenant_scope(self.id):
            return Job.objects.get(pk=self.job.pk).state

    def faults(self, address: str = MARA) -> dict[str, str]:
        """The retry ledger: item id → reason."""
        with tenant_scope(self.id):
            rows = ItemFault.objects.filter(backup__mailbox__address=address)
            return {row.item_id: row.reason for row in rows}

    def reconnect(self, *, without: Collection[str] = ()) -> None:
        """Register another application, which lacks these permissions."""
        roles = tuple(role for role in ALL_ROLES if role not in without)
        registration = self.sandbox.register("acme.example", roles)
        with tenant_scope(self.id):
            organization = Organization.objects.get()
            organization.client_id = registration.client_id
            organization.certificate = registration.certificate_pem
            organization.sealed_private_key = seal_secret(
                f"organization/{organization.pk}/private_key", registration.private_key_pem
            )
            organization.save()

    def source_mailbox(self, address: str = MARA) -> str:
        mailbox = self.sandbox.store.user(address).mailbox
        assert mailbox
        return mailbox

    def add(self, folder: str, *subjects: str, address: str = MARA) -> list[Item]:
        return [self.sandbox.add_mail(address, folder, mail(subject)) for subject in subjects]

    def session(self, session_id: UUID) -> Session:
        with tenant_scope(self.id):
            return Session.objects.get(pk=session_id)

    def log(self, session: Session) -> list[str]:
        with tenant_scope(self.id):
            rows = SessionLog.objects.filter(session=session)
            return [f"{row.mailbox}: {row.item_id}: {row.message}" for row in rows]

    def mailbox(self, address: str = MARA) -> Mailbox:
        with tenant_scope(self.id):
            return Mailbox.objects.get(address=address)

    def current(self, address: str = MARA) -> dict[str, ItemVersion]:
        """The catalog's current items by subject."""
        with tenant_scope(self.id):
            rows = ItemVersion.objects.current().filter(backup__mailbox__address=address)
            return {row.subject: row for row in rows}

    def head(self, address: str = MARA) -> int:
        with tenant_scope(self.id):
            return MailboxBackup.objects.get(mailbox__address=address).head

    def stored(self, address: str = MARA) -> MailboxState:
        """The mailbox as the repository alone tells it."""
        mailbox = self.mailbox(address)
        with tenant_scope(self.id):
            vault = open_vault(self.repository.pk)
        return vault.state(mailbox.pk)

    def payloads(self, address: str = MARA) -> dict[str, bytes]:
        """Item id → bytes, read back from the repository without its database."""
        mailbox = self.mailbox(address)
        with tenant_scope(self.id):
            vault = open_vault(self.repository.pk)
        index = vault.pack_index()
        return {
            item.item_id: vault.read_item(item.recipe, item.blobs, item.sha256, _of(index))
            for item in vault.state(mailbox.pk).items.values()
        }

    def sandbox_payloads(self, address: str = MARA) -> dict[str, bytes]:
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
