"""What the demo plays with: the sandbox's mail, the provider, Acme and Globex.

Everything here can be called again on a data folder that has it already.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from backups.infrastructure.custody import set_recovery_passphrase
from backups.infrastructure.models import Allocation, Proxy, Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.models import Job
from backups.jobs.retention import Mode, Retention, Unit
from backups.jobs.services import create_job
from backups.organizations.discovery import discover_mailboxes
from backups.organizations.models import Mailbox, Organization
from backups.organizations.services import connect_organization, move_organization
from portal.demo import layout
from portal.processes import free_port
from sandbox.certificate import trust_pem
from sandbox.registration import register
from sandbox.store import Store
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Person, Tenant
from tenants.notifications.recipients import Events, add_recipient
from tenants.people.permissions import Role
from tenants.services import add_member, create_person, create_tenant

SANDBOX_PORT = 8443


@dataclass(frozen=True)
class SignIn:
    role: str
    email: str
    password: str


@dataclass(frozen=True)
class Company:
    """An organization of a tenant, and its jobs."""

    tenant_id: UUID
    name: str
    organization_id: UUID
    jobs: tuple[UUID, ...]


class Stage:
    """The demo's place in a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.sandbox_dir = data_dir / "sandbox"
        self._repositories_dir = data_dir / "repositories"
        self._recovery_dir = data_dir / "recovery"
        self._notes = data_dir / "demo.json"
        self.sandbox_dir.mkdir(parents=True, exist_ok=True)

    @property
    def store_path(self) -> Path:
        return self.sandbox_dir / "exchange.sqlite"

    def sandbox_port(self) -> int:
        """The port of the last time while it is free: organizations remember their server."""
        wanted = int(self.note("sandbox_port") or SANDBOX_PORT)
        try:
            port = free_port("127.0.0.1", wanted)
        except OSError:
            port = free_port("127.0.0.1", 0)
        self.write_note("sandbox_port", str(port))
        return port

    def proxies(self) -> list[Proxy]:
        """The default proxy and the second one."""
        second, _ = Proxy.objects.using(OPERATOR).get_or_create(name=layout.SECOND)
        return [default_proxy(), second]

    def companies(self, sandbox_url: str) -> list[Company]:
        """The layout's organizations with their tenants, allocations and jobs."""
        proxies = {proxy.name: proxy for proxy in self.proxies()}
        repositories = {
            plan.name: self._repository(plan, proxies[plan.proxy]) for plan in layout.REPOSITORIES
        }
        tenants = {slug: _tenant(name, slug) for name, slug in layout.TENANTS}
        return [
            self._company(plan, tenants[plan.tenant], repositories, sandbox_url)
            for plan in layout.ORGANIZATIONS
        ]

    def sign_ins(self) -> list[SignIn]:
        """The demo's people, each made when first asked for, with a password of this demo."""
        password = self.note("password")
        if not password:
            password = "-".join(secrets.token_hex(3) for _ in range(3))
            self.write_note("password", password)
        people: list[tuple[str, str, str | None]] = [
            ("Provider's operator", "operator@provider.example", None)
        ]
        people += [
            (f"{name}'s administrator", _administrator(slug), slug) for name, slug in layout.TENANTS
        ]
        for role, email, slug in people:
            if Person.objects.filter(email=email).exists():
                continue
            person = create_person(
                email=email, name=role, password=password, is_operator=slug is None
            )
            if slug:
                tenant = Tenant.objects.using(OPERATOR).get(slug=slug)
                add_member(tenant=tenant, person=person, role=Role.ADMINISTRATOR)
        return [SignIn(role, email, password) for role, email, _ in people]

    def passphrase_files(self) -> list[Path]:
        """A file with each tenant's recovery passphrase, which is set when the file is made.

        Call it when the tenants have their allocations and their people.
        """
        self._recovery_dir.mkdir(mode=0o700, exist_ok=True)
        return [self._passphrase_file(slug) for _name, slug in layout.TENANTS]

    def note(self, name: str) -> str:
        if not self._notes.exists():
            return ""
        return str(json.loads(self._notes.read_text(encoding="utf-8")).get(name, ""))

    def write_note(self, name: str, value: str) -> None:
        """Remember a value for the next demo; the file holds the sign-ins, so it is private."""
        notes = json.loads(self._notes.read_text(encoding="utf-8")) if self._notes.exists() else {}
        temporary = self._notes.with_suffix(".new")
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
        ) as file:
            json.dump({**notes, name: value}, file)
        temporary.replace(self._notes)

    def _passphrase_file(self, slug: str) -> Path:
        file = self._recovery_dir / f"{slug}.txt"
        if file.exists():
            return file
        passphrase = "-".join(secrets.token_hex(2) for _ in range(6))
        tenant = Tenant.objects.using(OPERATOR).get(slug=slug)
        person = Person.objects.get(email=_administrator(slug))
        with tenant_scope(tenant.pk):
            set_recovery_passphrase(passphrase=passphrase, person_id=person.pk)
        temporary = file.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(f"{passphrase}\n", encoding="utf-8")
        temporary.replace(file)
        return file

    def _repository(self, plan: layout.Repository, proxy: Proxy) -> Repository:
        known = Repository.objects.using(OPERATOR).filter(name=plan.name).first()
        return known or create_repository(
            proxy=proxy, name=plan.name, location=self._repositories_dir / plan.folder
        )

    def _company(
        self,
        plan: layout.Organization,
        tenant: Tenant,
        repositories: dict[str, Repository],
        sandbox_url: str,
    ) -> Company:
        with tenant_scope(tenant.pk):
            organization = self._organization(plan, sandbox_url)
            known = set(Job.objects.values_list("name", flat=True))
        if not {job.name for job in plan.jobs} <= known:
            discover_mailboxes(organization.pk, tenant.pk)
        for job in plan.jobs:
            if job.name not in known:
                _add_job(job, organization, _share(tenant, repositories[job.repository]))
        with tenant_scope(tenant.pk):
            jobs = Job.objects.filter(organization=organization)
            ids = tuple(jobs.order_by("name").values_list("pk", flat=True))
        return Company(tenant.pk, plan.name, organization.pk, ids)

    def _organization(self, plan: layout.Organization, sandbox_url: str) -> Organization:
        known = Organization.objects.filter(name=plan.name).first()
        if known:
            if known.graph_url != sandbox_url:
                move_organization(organization=known, authority=sandbox_url, graph_url=sandbox_url)
                known.refresh_from_db()
            return known
        store = Store(self.store_path)
        try:
            registration = register(
                store, plan.domain, url=sandbox_url, trust_pem=trust_pem(self.sandbox_dir)
            )
        finally:
            store.close()
        return connect_organization(
            name=plan.name,
            directory=plan.domain,
            client_id=registration.client_id,
            certificate=registration.certificate_pem,
            private_key=registration.private_key_pem,
            authority=sandbox_url,
            graph_url=sandbox_url,
            trust=registration.trust_pem or "",
        )


def _administrator(slug: str) -> str:
    return f"admin@{slug}.example"


def _tenant(name: str, slug: str) -> Tenant:
    known = Tenant.objects.using(OPERATOR).filter(slug=slug).first()
    if known:
        return known
    tenant = create_tenant(name=name, slug=slug)
    with tenant_scope(tenant.pk):
        add_recipient(email=f"backup@{slug}.example", events=Events(True, True, True))
    return tenant


def _share(tenant: Tenant, repository: Repository) -> Allocation:
    shares = Allocation.objects.using(OPERATOR).filter(tenant=tenant, repository=repository)
    return shares.first() or allocate(
        tenant=tenant, repository=repository, name=f"{tenant.name} in {repository.name}"
    )


def _add_job(plan: layout.Job, organization: Organization, allocation: Allocation) -> None:
    with tenant_scope(organization.tenant_id):
        everyone = Mailbox.objects.present().filter(organization=organization).order_by("address")
        chosen = [] if plan.mailboxes is None else list(everyone)[plan.mailboxes]
        create_job(
            name=plan.name,
            organization=organization,
            allocation=allocation,
            scope=Job.Scope.ORGANIZATION if plan.mailboxes is None else Job.Scope.MAILBOXES,
            mailboxes=chosen,
            schedule=Job.Schedule.INTERVAL,
            interval_minutes=60,
            retention=Retention(Mode.POINTS, 1, Unit.YEARS),
        )
