"""A list costs the same number of queries however long it is."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.catalog.models import MailboxBackup, RestorePoint
from backups.infrastructure.exclusions import exclude_folder
from backups.jobs.models import Coverage
from backups.jobs.services import create_job
from backups.organizations.models import Mailbox, Organization
from backups.sessions.models import Kind, Session, State, Task
from tenants.isolation.scope import tenant_scope
from tenants.models import OutboxMessage, Recipient
from tenants.people.permissions import Role
from tenants.people.services import invite
from tenants.services import add_member, create_person, create_tenant
from tests.cast import PASSWORD, Cast, Company
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

MOST = 30
"""No page needs more queries than this."""


def count(client: Client, path: str) -> int:
    with (
        CaptureQueriesContext(connections["default"]) as app,
        CaptureQueriesContext(connections["operator"]) as operator,
    ):
        assert client.get(path).status_code == 200
    return len(app) + len(operator)


def add_more_of_everything(company: Company) -> None:
    add_people(company)
    with tenant_scope(company.id):
        for number in range(4):
            organization = Organization.objects.create(
                name=f"Organization {number}", directory="x", client_id="x", sealed_private_key=b""
            )
            job = create_job(
                name=f"Job {number}", organization=organization, allocation=company.allocation
            )
            add_session(company, organization, number)
            Recipient.objects.create(email=f"r{number}@acme.example")
            OutboxMessage.objects.create(
                tenant=company.tenant, cause=f"more/{number}", to="r@acme.example", subject="x"
            )
            Coverage.objects.create(
                job=job,
                mailbox=add_mailbox(company, company.organization, number),
                repository=company.allocation.repository,
            )


def add_people(company: Company) -> None:
    create_tenant(name="Another", slug="another")
    with tenant_scope(company.id):
        for number in range(4):
            invite(email=f"invited{number}@acme.example", role=Role.AUDITOR)
    for number in range(4):
        person = create_person(email=f"p{number}@acme.example", name="", password=PASSWORD)
        add_member(tenant=company.tenant, person=person, role=Role.AUDITOR)
        exclude_folder(f"Folder {number}")


def add_mailbox(company: Company, organization: Organization, number: int) -> Mailbox:
    mailbox = Mailbox.objects.create(
        organization=organization, source_id=f"m{number}", address=f"m{number}@x", kind="user"
    )
    backup = MailboxBackup.objects.create(mailbox=mailbox, allocation=company.allocation)
    RestorePoint.objects.create(
        backup=backup, sequence=1, taken_at=timezone.now(), items=1, bytes=1
    )
    Task.objects.create(
        session=company.session,
        mailbox=mailbox,
        backup=backup,
        repository=company.allocation.repository,
        queue="proxy_000000000000",
        kind=Kind.BACKUP,
        state=State.SUCCESS,
    )
    return mailbox


def add_session(company: Company, organization: Organization, number: int) -> None:
    for job in (company.job, None):
        Session.objects.create(
            kind=Kind.BACKUP,
            job=job,
            organization=organization,
            state=State.SUCCESS,
            ended_at=timezone.now(),
        )


@pytest.mark.parametrize(
    "path",
    [
        "/t/acme/organizations/",
        "/t/acme/organizations/{organization}/",
        "/t/acme/infrastructure/",
        "/t/acme/jobs/{job}/",
        "/t/acme/sessions/",
        "/t/acme/sessions/{session}/",
        "/t/acme/mailboxes/{mailbox}/",
        "/operator/organizations/",
        "/operator/infrastructure/",
        "/operator/sessions/",
        "/operator/tenants/",
        "/operator/tenants/{tenant}/",
        "/operator/exclusions/",
        "/t/acme/people/",
        "/t/acme/notifications/",
        "/operator/outbox/",
    ],
)
def test_a_page_costs_no_more_queries_with_more_rows(
    cast: Cast, sign_in: SignIn, path: str
) -> None:
    client = sign_in(cast.operator if path.startswith("/operator") else cast.admin)
    acme = cast.acme
    address = path.format(
        organization=acme.organization.pk,
        job=acme.job.pk,
        session=acme.session.pk,
        mailbox=acme.mailbox.pk,
        tenant=acme.id,
    )
    client.get(address)
    before = count(client, address)
    add_more_of_everything(acme)
    assert count(client, address) <= before <= MOST
