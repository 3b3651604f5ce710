"""The demo's plot: back up, delete a message, restore it, compare."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings

from backups.catalog.models import Folder, ItemVersion, MailboxBackup
from backups.infrastructure.models import Repository
from backups.jobs.models import Job
from backups.jobs.services import JobRefused, start_job
from backups.organizations.connections import source_for
from backups.organizations.models import Organization
from backups.restores.models import RestoreItem
from backups.restores.services import restore_items
from backups.sessions.models import Session, SessionLog, State
from portal.demo.stage import Company, Stage
from portal.demo.watch import wait_for
from tenants.isolation.scope import OPERATOR, operator_scope, tenant_scope

Say = Callable[[str], None]
COMPARE = Path(settings.BASE_DIR) / "tests" / "compare.py"


class DemoFailed(Exception):
    """Something did not end as it must; the message says what."""


@dataclass
class Summary:
    mailboxes: int = 0
    items: int = 0
    bytes: int = 0
    sessions: int = 0
    seconds: float = 0.0
    restored: int = 0
    verified: bool = False
    repositories: list[dict[str, str | int]] = field(default_factory=list)
    passphrases: list[str] = field(default_factory=list)
    """Files with the tenants' recovery passphrases."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Deleted:
    """The message that is deleted and brought back."""

    company: Company
    backup: MailboxBackup
    point: int
    version: ItemVersion


def play(stage: Stage, companies: Sequence[Company], say: Say) -> Summary:
    """Everything the demo shows, once. Raises DemoFailed, Stalled."""
    began = time.monotonic()
    summary = Summary()
    summary.sessions += _run_jobs(companies, "First jobs" if _is_new() else "Jobs")
    deleted = _delete_a_message(companies[0])
    say(f"Deleted “{deleted.version.subject}” in the sandbox.")
    summary.sessions += _run_jobs([deleted.company], "Jobs after the deletion")
    restored_id = _restore(deleted)
    summary.sessions += 1
    say(f"Restored it from restore point {deleted.point} of {deleted.backup.mailbox}.")
    summary.sessions += _run_jobs(companies, "Jobs after the restore")
    _compare(stage, deleted, restored_id, summary)
    summary.repositories = _repositories()
    summary.seconds = round(time.monotonic() - began, 1)
    return summary


def _is_new() -> bool:
    with operator_scope():
        return not Session.objects.exists()


def _run_jobs(companies: Sequence[Company], title: str) -> int:
    started = [(company, _start(company, job)) for company in companies for job in company.jobs]
    wait_for([session_id for _, session_id in started], title)
    for company, session_id in started:
        _require_success(company, session_id)
    return len(started)


def _start(company: Company, job_id: UUID) -> UUID:
    """Start the job, or join the session that its schedule has just started."""
    with tenant_scope(company.tenant_id):
        job = Job.objects.get(pk=job_id)
        try:
            return start_job(job=job).pk
        except JobRefused:
            return Session.objects.open().get(job=job).pk


def _require_success(company: Company, session_id: UUID) -> None:
    with tenant_scope(company.tenant_id):
        session = Session.objects.get(pk=session_id)
        if session.state == State.SUCCESS:
            return
        lines = SessionLog.objects.filter(session=session).exclude(level=SessionLog.Level.INFO)
        reasons = [f"  {line.mailbox} {line.message}" for line in lines[:20]]
    raise DemoFailed(
        "\n".join([f"{session} of {company.name} ended as {session.state}.", *reasons])
    )


def _delete_a_message(company: Company) -> Deleted:
    """Delete a message in an inbox, as its owner would: through the server."""
    with tenant_scope(company.tenant_id):
        inboxes = Folder.objects.current().filter(well_known="inbox").values("folder_id")
        version = (
            ItemVersion.objects.current()
            .filter(
                folder_id__in=inboxes,
                backup__mailbox__organization_id=company.organization_id,
            )
            .exclude(message_id="")
            .exclude(received_at=None)
            .select_related("backup__mailbox")
            .order_by("-received_at", "pk")
            .first()
        )
        if version is None:
            raise DemoFailed("No message lies in an inbox: nothing to delete and restore.")
        source = source_for(Organization.objects.get(pk=company.organization_id))
    try:
        source.delete(version.backup.mailbox.source_id, version.item_id)
    finally:
        source.close()
    return Deleted(company, version.backup, version.backup.head, version)


def _restore(deleted: Deleted) -> str:
    """Restore the message to where it was; its new id."""
    tenant_id = deleted.company.tenant_id
    with tenant_scope(tenant_id):
        gone = ItemVersion.objects.get(pk=deleted.version.pk).last is not None
        session = restore_items(
            mailbox=deleted.backup.mailbox,
            version_ids=[deleted.version.pk],
            reason="Deleted by mistake",
        )
    if not gone:
        raise DemoFailed("The deleted message is still there at the newest restore point.")
    wait_for([session.pk], "Restore")
    _require_success(deleted.company, session.pk)
    with tenant_scope(tenant_id):
        item = RestoreItem.objects.get(task__session=session)
    if item.state != RestoreItem.State.RESTORED:
        raise DemoFailed(f"The message was not restored: {item.state}, {item.reason}")
    return item.restored_id


def _compare(stage: Stage, deleted: Deleted, restored_id: str, summary: Summary) -> None:
    """Let the comparison, a program of its own, say whether everything is equal."""
    command = [sys.executable, str(COMPARE), "--json", "--sandbox", str(stage.store_path)]
    command += ["--root-key-file", str(settings.ROOT_KEY_FILE)]
    mailbox = deleted.backup.mailbox_id
    where = f"{deleted.company.tenant_id}:{mailbox}:{deleted.point}"
    command += ["--restored", f"{where}:{deleted.version.item_id}:{restored_id}"]
    command += [str(row.location) for row in Repository.objects.using(OPERATOR).all()]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 2 or not run.stdout:
        raise DemoFailed(f"The comparison could not be made: {run.stderr.strip()}")
    result = json.loads(run.stdout)
    if result["differences"]:
        raise DemoFailed("\n".join(["Sandbox and repository differ:", *result["differences"][:20]]))
    summary.mailboxes, summary.items = result["mailboxes"], result["items"]
    summary.bytes, summary.restored = result["bytes"], result["restored"]
    summary.verified = bool(result["equal"] and result["restored"] == 1)


def _repositories() -> list[dict[str, str | int]]:
    return [
        {
            "path": row.location,
            "bytes": sum(f.stat().st_size for f in Path(row.location).rglob("*") if f.is_file()),
        }
        for row in Repository.objects.using(OPERATOR).all()
    ]
