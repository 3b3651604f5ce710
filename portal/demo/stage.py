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

from backups.infrastructure.models import Allocation, Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.models import Job
from backups.jobs.services import create_job
from backups.organizations.models import Organization
from backups.organizations.services import connect_organization, move_organization
from portal.processes import free_port
from sandbox.certificate import trust_pem
from sandbox.registration import register
from sandbox.store import Store
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Person, Tenant
from tenants.people.permissions import Role
from tenants.services import add_member, create_person, create_tenant

TENANTS = (("Acme", "acme"), ("Globex", "globex"))
REPOSITORY = "Main repository"
SANDBOX_PORT = 8443


@dataclass(frozen=True)
class SignIn:
    role: str
    email: str
    password: str


@dataclass(frozen=True)
class Company:
    tenant_id: UUID
    slug: str
    organization_id: UUID
    job_id: UUID


class Stage:
    """The demo's place in a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.sandbox_dir = data_dir / "sandbox"
        self.repository_dir = data_dir / "repositories" / "main"
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

    def companies(self, sandbox_url: str) -> list[Company]:
        """Acme and Globex with their organizations, allocations and jobs."""
        repository = self._repository()
        return [self._company(name, slug, repository, sandbox_url) for name, slug in TENANTS]

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
            (f"{name}'s administrator", f"admin@{slug}.example", slug) for name, slug in TENANTS
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

    def _repository(self) -> Repository:
        known = Repository.objects.using(OPERATOR).filter(name=REPOSITORY).first()
        if known:
            return known
        return create_repository(
            proxy=default_proxy(), name=REPOSITORY, location=self.repository_dir
        )

    def _company(self, name: str, slug: str, repository: Repository, sandbox_url: str) -> Company:
        tenant = Tenant.objects.using(OPERATOR).filter(slug=slug).first()
        if tenant is None:
            tenant = create_tenant(name=name, slug=slug)
        allocation = _share(tenant, repository, f"{name} mail")
        with tenant_scope(tenant.pk):
            organization = self._organization(name, slug, sandbox_url)
            job = Job.objects.filter(organization=organization).first()
            if job is None:
                job = create_job(
                    name=f"Everyone at {name}",
                    organization=organization,
                    allocation=allocation,
                    schedule=Job.Schedule.INTERVAL,
                    interval_minutes=60,
                    retention_days=365,
                )
            return Company(tenant.pk, slug, organization.pk, job.pk)

    def _organization(self, name: str, slug: str, sandbox_url: str) -> Organization:
        known = Organization.objects.filter(directory=f"{slug}.example").first()
        if known:
            if known.graph_url != sandbox_url:
                move_organization(organization=known, authority=sandbox_url, graph_url=sandbox_url)
            return known
        store = Store(self.store_path)
        try:
            registration = register(
                store,
                f"{slug}.example",
                url=sandbox_url,
                trust_pem=trust_pem(self.sandbox_dir),
            )
        finally:
            store.close()
        return connect_organization(
            name=f"{name} Exchange Online",
            directory=f"{slug}.example",
            client_id=registration.client_id,
            certificate=registration.certificate_pem,
            private_key=registration.private_key_pem,
            authority=sandbox_url,
            graph_url=sandbox_url,
            trust=registration.trust_pem or "",
        )


def _share(tenant: Tenant, repository: Repository, name: str) -> Allocation:
    shares = Allocation.objects.using(OPERATOR).filter(tenant=tenant, repository=repository)
    return shares.first() or allocate(tenant=tenant, repository=repository, name=name)
