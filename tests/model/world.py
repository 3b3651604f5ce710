"""Two tenants in one repository, worked on by calls instead of workers, and what they promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db.models.functions import Now

from backups.catalog.models import MailboxBackup
from backups.infrastructure.keys import ensure_root_key
from backups.infrastructure.models import Allocation, Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs import services as job_services
from backups.jobs.models import Job
from backups.jobs.retention import KEPT_FOREVER, Mode, Retention
from backups.jobs.services import create_job, start_job
from backups.organizations import connections, discovery
from backups.organizations.models import Mailbox, Organization
from backups.repository import Commit, CommitKind, Vault
from backups.repository.layout import commit_key
from backups.restores import services as restores
from backups.sessions import prepare, slices
from backups.sessions.bell import INTERACTIVE
from backups.sessions.models import Session, State, Task
from backups.sessions.reaping import reap
from backups.sessions.services import request_stop
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Tenant
from tenants.services import create_tenant
from tests.model.mailboxes import MailSystem, Snapshot

ADDRESSES = {
    "acme": ("mara@acme.example", "jun@acme.example"),
    "globex": ("ines@globex.example",),
}


@dataclass
class Promise:
    """What was written down of one mailbox: complete commits, and what commits took back."""

    points: dict[int, tuple[datetime, Snapshot]] = field(default_factory=dict)
    taken_back: dict[int, list[int]] = field(default_factory=dict)
    """Sequence of the expiry commit → the points that it takes back."""
    held: bool = False

    def offered(self, head: int | None = None) -> dict[int, tuple[datetime, Snapshot]]:
        """The restore points as of a commit; None: as of the last one."""
        gone = {
            point
            for sequence, points in self.taken_back.items()
            if head is None or sequence <= head
            for point in points
        }
        return {
            sequence: point
            for sequence, point in sorted(self.points.items())
            if sequence not in gone and (head is None or sequence <= head)
        }

    def may_go(self, retention: Retention, now: datetime) -> set[int]:
        """Points that retention allows to expire, as docs/architecture.md says it."""
        limit = retention.limit(now)
        if limit is None or self.held:
            return set()
        offered = self.offered()
        old: list[int] = []
        for sequence, (taken_at, _) in offered.items():
            if taken_at >= limit:
                break
            old.append(sequence)
        stays = retention.mode == Mode.ITEMS or len(old) == len(offered)
        return set(old[:-1] if stays else old)


@dataclass
class Side:
    """One tenant: where its mail comes from, and what was promised of each mailbox."""

    tenant: Tenant
    system: MailSystem
    job: Job
    allocation: Allocation
    retention: Retention = KEPT_FOREVER
    promises: dict[str, Promise] = field(default_factory=dict)
    session: UUID | None = None
    """The open one."""

    @property
    def id(self) -> UUID:
        return self.tenant.pk

    def mailboxes(self) -> dict[str, UUID]:
        with tenant_scope(self.id):
            return dict(Mailbox.objects.values_list("address", "pk"))


class ModelWorld:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.violations: list[str] = []
        ensure_root_key()
        proxy = default_proxy()
        self.queue = proxy.queue
        self.repository: Repository = create_repository(
            proxy=proxy, name="Main repository", location=folder
        )
        self.sides = {name: self._side(name) for name in ADDRESSES}
        self.write_commit = Vault.write_commit

    def _side(self, name: str) -> Side:
        tenant = create_tenant(name=name.title(), slug=name)
        allocation = allocate(tenant=tenant, repository=self.repository, name=f"{name}'s share")
        with tenant_scope(tenant.pk):
            organization = Organization.objects.create(
                name=name, directory=f"{name}.example", client_id="app", sealed_private_key=b"-"
            )
            job = create_job(name="Everyone", organization=organization, allocation=allocation)
        promises = {address: Promise() for address in ADDRESSES[name]}
        return Side(tenant, MailSystem(ADDRESSES[name]), job, allocation, promises=promises)

    @property
    def expired(self) -> int:
        """How many restore points were taken back so far."""
        promises = [p for side in self.sides.values() for p in side.promises.values()]
        return sum(len(points) for p in promises for points in p.taken_back.values())

    def side_at(self, address: str) -> Side:
        return next(side for side in self.sides.values() if address in side.promises)

    def side_of(self, tenant: UUID) -> Side:
        return next(side for side in self.sides.values() if side.id == tenant)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Workers talk to these mailboxes, nobody is rung for, and every commit is noted."""
        with pytest.MonkeyPatch.context() as patch:
            for room in (connections, discovery):
                patch.setattr(room, "systems_for", self._systems_of)
            for room, name in (
                (slices, "ring"),
                (prepare, "ring"),
                (restores, "ring"),
                (job_services, "ring_prepare"),
            ):
                patch.setattr(room, name, lambda *args: None)
            patch.setattr(Vault, "write_commit", self._noted())
            yield

    def _systems_of(
        self, organization: Organization, patience: object = None
    ) -> dict[str, MailSystem]:
        return {Mailbox.System.ONLINE: self.side_of(organization.tenant_id).system}

    def _noted(self) -> Callable[[Vault, Commit], bytes]:
        original = self.write_commit

        def noted(vault: Vault, commit: Commit) -> bytes:
            path = self.folder / commit_key(vault.tenant, commit.mailbox, commit.sequence)
            was_there = path.exists()
            try:
                return original(vault, commit)
            finally:
                # Also where the worker dies before it hears that it is done.
                if path.exists() and not was_there:
                    self._note(self.side_of(vault.tenant), commit)

        return noted

    def _note(self, side: Side, commit: Commit) -> None:
        address = next(a for a, pk in side.mailboxes().items() if pk == commit.mailbox)
        promise, mailbox = side.promises[address], side.system.mailboxes[address]
        if commit.kind is CommitKind.COMPLETE:
            promise.points[commit.sequence] = (commit.taken_at, mailbox.snapshot())
            mailbox.unheard = False
        if commit.expired is not None:
            allowed = promise.may_go(side.retention, datetime.now(UTC))
            if not set(commit.expired.points) <= allowed:
                gone = sorted(set(commit.expired.points) - allowed)
                self.violations.append(f"{address}: points {gone} were taken back too early")
            promise.taken_back[commit.sequence] = list(commit.expired.points)

    def start(self, side: Side) -> None:
        """Begin a session of the side's job, unless one is open."""
        if side.session is not None:
            return
        with tenant_scope(side.id):
            session = start_job(job=Job.objects.get(pk=side.job.pk))
            # Written by the database's clock, which is not turned.
            Session.objects.filter(pk=session.pk).update(prepare_after=datetime.now(UTC))
        prepare.prepare_session(session.pk, side.id)
        side.session = session.pk

    def work(self, side: Side) -> str:
        """Work until the side's session has ended; gives its state. Pauses are over at once."""
        for _ in range(20):
            self.work_once()
            if (state := self.ended(side)) is not None:
                return state
        raise AssertionError("the session does not end")

    def work_once(self) -> None:
        Task.objects.using(OPERATOR).filter(state=State.QUEUED).update(not_before=Now())
        while slices.run_queue(self.queue):
            pass

    def ended(self, side: Side) -> str | None:
        """The state of the side's session once it is over; then there is none any more."""
        with tenant_scope(side.id):
            session = Session.objects.get(pk=side.session)
        if session.is_open:
            return None
        side.session = None
        return session.state

    def work_off_restores(self) -> None:
        while slices.run_queue(INTERACTIVE):
            pass

    def stop(self, side: Side) -> None:
        """Stop the open session; its workers are dead already."""
        with tenant_scope(side.id):
            request_stop(Session.objects.get(pk=side.session))
        self.bury_workers()
        assert self.ended(side) is not None

    def bury_workers(self) -> None:
        """The leases of all workers run out."""
        Task.objects.using(OPERATOR).filter(state=State.RUNNING).update(
            lease_until=Now() - timedelta(seconds=1)
        )
        reap()

    def backups(self, side: Side) -> dict[str, MailboxBackup]:
        with tenant_scope(side.id):
            rows = MailboxBackup.objects.select_related("mailbox")
            return {row.mailbox.address: row for row in rows}

    def packs(self) -> list[Path]:
        return sorted(self.folder.glob("tenants/*/packs/*/*"))
