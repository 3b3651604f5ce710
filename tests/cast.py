"""The one cast of the tests: the provider's operator, Acme and Globex, and what they own.

``Cast`` makes everything a page can show, without an Exchange: rows only. Every text of Globex
carries ``CANARY``, which must never reach anybody of Acme.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from uuid import UUID

from django.db import connections
from django.utils import timezone

from backups.catalog import rows
from backups.catalog.models import (
    BlobLocation,
    Folder,
    ItemFault,
    ItemVersion,
    MailboxBackup,
    Pack,
    RestorePoint,
    SyncCursor,
)
from backups.destruction.certificate import canonical
from backups.destruction.models import Destruction, DestructionCertificate, DestructionPlace
from backups.infrastructure.keys import ensure_root_key, mailbox_key, tenant_keys
from backups.infrastructure.models import Allocation, Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.models import Coverage, ExcludedMailbox, Job
from backups.jobs.services import create_job
from backups.organizations.models import ExchangeServer, Mailbox, Organization
from backups.organizations.services import connect_organization
from backups.restores.models import BasketItem, RestoreItem
from backups.retention.models import CollectionRun, LegalHold
from backups.sessions.models import Kind, Session, SessionLog, State, Task
from backups.verifications.models import DamagedItem, DamagedObject, Level, Verification
from backups.verifications.models import State as VerificationState
from portal.ids import uuid7
from sandbox.certificate import make_application_certificate
from tenants.isolation.scope import tenant_scope
from tenants.models import (
    Invitation,
    Membership,
    OutboxMessage,
    Person,
    Recipient,
    Tenant,
    UsageSample,
)
from tenants.people.permissions import Role
from tenants.services import add_member, create_person, create_tenant

CANARY = "GLOBEX-CANARY"
PASSWORD = "correct horse battery"  # the tests' own


@dataclass
class Company:
    """What one tenant owns."""

    tenant: Tenant
    organization: Organization
    mailbox: Mailbox
    allocation: Allocation
    job: Job
    session: Session
    task: Task
    backup: MailboxBackup
    folder: Folder
    point: RestorePoint
    item: ItemVersion
    recipient: Recipient
    message: OutboxMessage

    @property
    def id(self) -> UUID:
        return self.tenant.pk

    @cached_property
    def invitation(self) -> Invitation:
        with tenant_scope(self.id):
            return Invitation.objects.get(tenant=self.tenant, accepted_at=None)

    @cached_property
    def hold(self) -> LegalHold:
        with tenant_scope(self.id):
            return LegalHold.objects.get()

    @cached_property
    def destruction(self) -> Destruction:
        with tenant_scope(self.id):
            return Destruction.objects.get()

    @cached_property
    def administrator(self) -> Membership:
        with tenant_scope(self.id):
            return Membership.objects.get(tenant=self.tenant, role=Role.ADMINISTRATOR)


@dataclass
class Cast:
    operator: Person
    admin: Person
    reader: Person
    restorer: Person
    globex_admin: Person
    repository: Repository
    acme: Company
    globex: Company


def make_cast(folder: Path) -> Cast:
    """The whole cast, in the test's database; the repository lies in ``folder``."""
    ensure_root_key()
    repository = create_repository(
        proxy=default_proxy(), name="Main repository", location=folder / "repository"
    )
    acme = make_company("Acme", "acme", repository, "")
    globex = make_company("Globex", "globex", repository, CANARY)
    people = {
        name: create_person(
            email=f"{name}@{domain}", name=name.title(), password=PASSWORD, is_operator=is_operator
        )
        for name, domain, is_operator in (
            ("operator", "provider.example", True),
            ("admin", "acme.example", False),
            ("reader", "acme.example", False),
            ("restorer", "acme.example", False),
            ("globex_admin", "globex.example", False),
        )
    }
    add_member(tenant=acme.tenant, person=people["admin"], role=Role.ADMINISTRATOR)
    add_member(tenant=acme.tenant, person=people["reader"], role=Role.AUDITOR)
    add_member(tenant=acme.tenant, person=people["restorer"], role=Role.RESTORE_OPERATOR)
    add_member(tenant=globex.tenant, person=people["globex_admin"], role=Role.ADMINISTRATOR)
    for company, person in ((acme, people["admin"]), (globex, people["globex_admin"])):
        with tenant_scope(company.id):
            BasketItem.objects.create(person=person, version=company.item)
    return Cast(repository=repository, acme=acme, globex=globex, **people)


@cache
def credential(name: str) -> tuple[str, str]:
    """A certificate and its key, made once in a run: a key takes longer than all else here."""
    return make_application_certificate(name)


def make_company(name: str, slug: str, repository: Repository, mark: str) -> Company:
    """A tenant with one of everything. ``mark`` goes into every text it has."""
    tenant = create_tenant(name=f"{name} {mark}".strip(), slug=slug)
    allocation = allocate(
        tenant=tenant, repository=repository, name=f"Allocation of {name} {mark}".strip()
    )
    certificate, private_key = credential(name)
    with tenant_scope(tenant.pk):
        organization = connect_organization(
            name=f"{name} Online {mark}".strip(),
            directory=f"{slug}.example",
            client_id="00000000-0000-0000-0000-000000000001",
            certificate=certificate,
            private_key=private_key,
        )
        mailbox = Mailbox.objects.create(
            organization=organization,
            source_id=f"MBX:{slug}",
            address=f"mara{mark}@{slug}.example",
            name=f"Mara {mark}".strip(),
            kind="user",
        )
        ExchangeServer.objects.create(
            organization=organization, url="https://mail.example/EWS/", account=f"{slug}{mark}"
        )
        job = create_job(
            name=f"{name} job {mark}".strip(), organization=organization, allocation=allocation
        )
        return _history(tenant, organization, mailbox, allocation, job, mark)


def _history(
    tenant: Tenant,
    organization: Organization,
    mailbox: Mailbox,
    allocation: Allocation,
    job: Job,
    mark: str,
) -> Company:
    now = timezone.now()
    backup = MailboxBackup.objects.create(mailbox=mailbox, allocation=allocation, head=1)
    session = Session.objects.create(
        kind=Kind.BACKUP,
        job=job,
        organization=organization,
        state=State.SUCCESS,
        started_at=now,
        ended_at=now,
        mailboxes_total=1,
        mailboxes_done=1,
        items_new=1,
    )
    task = Task.objects.create(
        session=session,
        mailbox=mailbox,
        backup=backup,
        repository=allocation.repository,
        queue="proxy_000000000000",
        kind=Kind.BACKUP,
        state=State.SUCCESS,
        ended_at=now,
    )
    SessionLog.objects.create(
        session=session,
        level=SessionLog.Level.WARNING,
        mailbox=mailbox.address,
        item_id="AAMk-item",
        message=f"Not saved, it will be tried again {mark}".strip(),
    )
    folder = Folder.objects.create(
        backup=backup, folder_id="inbox", name=f"Inbox {mark}".strip(), kind="IPF.Note", first=1
    )
    point = RestorePoint.objects.create(
        backup=backup, sequence=1, taken_at=now - timedelta(hours=1), items=1, bytes=4096
    )
    version = ItemVersion(
        backup=backup,
        item_id="AAMk-item",
        change_key="CQ",
        folder_id="inbox",
        first=1,
        item_class="IPM.Note",
        subject=f"Quarterly figures {mark}".strip(),
        sender=f"Noor {mark} <noor@example.net>",
        recipients=mailbox.address,
        received_at=datetime(2026, 11, 20, 8, 30, tzinfo=UTC),
        size=4096,
        attachments=[[f"figures {mark}.xlsx", 2048]],
        digest=os.urandom(32),
        sha256=os.urandom(32),
        references=b"sealed",
    )
    rows.insert([version])
    item = ItemVersion.objects.get(item_id=version.item_id)
    recipient, message = _one_of_everything_else(backup, task, item, mark)
    return Company(
        tenant,
        organization,
        mailbox,
        allocation,
        job,
        session,
        task,
        backup,
        folder,
        point,
        item,
        recipient,
        message,
    )


def _one_of_everything_else(
    backup: MailboxBackup, task: Task, item: ItemVersion, mark: str
) -> tuple[Recipient, OutboxMessage]:
    repository = backup.allocation.repository
    mailbox_key(backup.mailbox_id, tenant_keys())
    Coverage.objects.create(job=task.session.job, mailbox=backup.mailbox, repository=repository)
    SyncCursor.objects.create(backup=backup, stream="hierarchy", sealed=b"sealed")
    ItemFault.objects.create(
        backup=backup, folder_id="inbox", item_id="AAMk-bad", reason=f"damaged stream {mark}"
    )
    Pack.objects.create(repository=repository, name=f"pack{mark}", pack_class="S", size=1024)
    BlobLocation.objects.create(
        repository=repository, blob=os.urandom(32), pack=f"pack{mark}", offset=0, length=512
    )
    restore = Session.objects.create(
        kind=Kind.RESTORE,
        organization=task.session.organization,
        state=State.SUCCESS,
        started_at=timezone.now(),
        ended_at=timezone.now(),
    )
    restore_task = Task.objects.create(
        session=restore,
        mailbox=backup.mailbox,
        backup=backup,
        repository=repository,
        queue="interactive",
        kind=Kind.RESTORE,
        state=State.SUCCESS,
        ended_at=timezone.now(),
    )
    RestoreItem.objects.create(
        task=restore_task, version=item, state=RestoreItem.State.RESTORED, reason=mark
    )
    ExcludedMailbox.objects.create(job=task.session.job, mailbox=backup.mailbox)
    _one_verification(backup, item, mark)
    CollectionRun.objects.create(repository=repository, reason=mark)
    LegalHold.objects.create(mailbox=backup.mailbox, reason=f"Case 12 {mark}".strip())
    _one_destruction(backup, mark)
    return _one_of_everything_of_the_tenant(backup.tenant, mark)


def _one_destruction(backup: MailboxBackup, mark: str) -> None:
    """Of somebody who left, with its certificate."""
    subject = f"gone{mark}@{backup.tenant.slug}.example"
    destruction = Destruction.objects.create(
        mailbox_id=uuid7(),
        subject=subject,
        reason=f"Left {mark}".strip(),
        requester="admin@acme.example",
        finished_at=timezone.now(),
    )
    DestructionPlace.objects.create(
        destruction=destruction,
        repository=backup.allocation.repository,
        allocation=backup.allocation.name,
        next_try_at=None,
        keys_gone_at=timezone.now(),
        swept_at=timezone.now(),
    )
    content = {"certificate": str(destruction.pk), "mailbox": {"address": subject}}
    DestructionCertificate.objects.create(
        id=destruction.pk,
        tenant_name=backup.tenant.name,
        subject=subject,
        content=canonical(dict(content)),
        sha256="0" * 64,
    )


def _one_verification(backup: MailboxBackup, item: ItemVersion, mark: str) -> None:
    """It has found a damaged pack, which costs the one item."""
    Verification.objects.create(
        allocation=backup.allocation,
        level=Level.FULL,
        state=VerificationState.WARNING,
        reason=mark,
        found=2,
        started_at=timezone.now(),
        ended_at=timezone.now(),
    )
    DamagedObject.objects.create(
        repository=backup.allocation.repository,
        name=f"tenants/{backup.tenant_id}/packs/00/pack{mark}",
        reason=f"cut off {mark}",
    )
    DamagedItem.objects.create(
        backup=backup, item_id=item.item_id, first=1, point=1, reason=f"cut off {mark}"
    )


def _one_of_everything_of_the_tenant(tenant: Tenant, mark: str) -> tuple[Recipient, OutboxMessage]:
    Invitation.objects.create(
        tenant=tenant,
        email=f"invited{mark}@{tenant.slug}.example",
        role=Role.AUDITOR,
        hash=os.urandom(32),
        expires_at=timezone.now() + timedelta(days=7),
    )
    recipient = Recipient.objects.create(email=f"backup{mark}@{tenant.slug}.example")
    message = OutboxMessage.objects.create(
        tenant=tenant,
        cause=f"cast/{tenant.pk}",
        to=f"backup{mark}@{tenant.slug}.example",
        subject=f"Backup succeeded {mark}".strip(),
        text=mark or "Acme's",
    )
    UsageSample.objects.create(
        day=timezone.now().date(), metric=UsageSample.Metric.PROTECTED_MAILBOXES, value=1
    )
    # Keys are made by the operator, those of a tenant too.
    with connections["operator"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants_apikey (id, tenant_id, name, prefix, hash, scopes)"
            " VALUES (%s, %s, %s, %s, %s, '[]')",
            [uuid7(), tenant.pk, f"key {mark}", os.urandom(6).hex(), os.urandom(32)],
        )
    return recipient, message
