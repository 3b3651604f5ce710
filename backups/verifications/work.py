"""A slice of a verification: what a proxy's worker does of it between two messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

from django.utils import timezone

from backups.catalog.blobs import locator
from backups.catalog.models import MailboxBackup, Pack
from backups.infrastructure.keys import root_key, vault_of
from backups.infrastructure.services import open_stored
from backups.repository import NotFound, RepositoryError, layout
from backups.repository.errors import Unreadable
from backups.repository.findings import MISSING, Finding, Report
from backups.repository.verify import Position, Sample, Scope
from backups.repository.verify import Verification as Walk
from backups.sessions.reaping import own_name
from backups.sessions.services import LeaseLost
from backups.verifications import damage, services
from backups.verifications.models import (
    DamagedItem,
    DamagedObject,
    Level,
    State,
    Verification,
)
from backups.verifications.services import Claim
from tenants.isolation.scope import tenant_scope

log = logging.getLogger(__name__)

SLICE_SECONDS = 300.0
"""Shorter than a backup's: whoever waits for this worker gets it soon."""
LOOK_EVERY = 1.0
PAUSE_AFTER_FAILURE = 300.0
AT_ONCE = 500
"""Packs of the catalog that are asked for between two looks."""


def run_queue(queue: str) -> bool:
    """Claim a verification and work on it for a slice. True when another should be rung for."""
    claimed = services.claim(queue=queue, owner=own_name())
    if claimed is None:
        return False
    try:
        _Slice(claimed, time.monotonic() + SLICE_SECONDS).run()
    except LeaseLost as error:
        log.warning("%s", error)
    except Exception as error:  # noqa: BLE001  (nothing may kill a worker or lose a verification)
        _failed(claimed, error)
    return queue in services.queues_with_work()


def _failed(claimed: Claim, error: Exception) -> None:
    known = isinstance(error, RepositoryError)
    log.error("verification %s: %s", claimed.id, error, exc_info=None if known else error)
    reason = str(error) if known else "The service met an error of its own; its log says more."
    with suppress(LeaseLost):
        with tenant_scope(claimed.tenant_id):
            failures = services.held(claimed).failures
        if isinstance(error, Unreadable) or failures + 1 >= services.TRIES:
            services.finish(claimed, State.FAILED, reason)
        else:
            services.put_back(
                claimed, State.QUEUED, seconds=PAUSE_AFTER_FAILURE, reason=reason, failed=True
            )


class _Slice:
    """One claim of one verification."""

    def __init__(self, claimed: Claim, deadline: float) -> None:
        self._claimed = claimed
        self._deadline = deadline
        self._looked = time.monotonic()
        self._report = Report(full=True)
        self._surveyed: set[str] = set()
        self._counts = dict.fromkeys(("packs_done", "mailboxes_done", "found", "healed"), 0)
        with tenant_scope(claimed.tenant_id):
            self._row = services.held(claimed)
            self._repository_id = self._row.allocation.repository_id
        self._open()

    def _open(self) -> None:
        """Raises RepositoryError; what is damaged is named first."""
        with tenant_scope(self._claimed.tenant_id):
            try:
                stored = open_stored(self._repository_id)
                self._vault = vault_of(stored)
            except Unreadable as error:
                damage.put_object(self._repository_id, error.key, error.reason)
                failure: Unreadable | None = error
            else:
                failure = None
        if failure is not None:
            raise failure
        self._backend = stored.backend
        self._locate = locator(self._claimed.tenant_id, self._repository_id)

    def run(self) -> None:
        if not self._row.position:
            self._begin()
        with tenant_scope(self._claimed.tenant_id):
            self._suspects = damage.suspects(self._repository_id)
            backups = MailboxBackup.objects.filter(allocation=self._row.allocation_id)
            self._backups = {backup.mailbox_id: backup for backup in backups}
            known = DamagedItem.objects.filter(backup__in=backups, healed_at=None)
            names = known.values_list("backup__mailbox_id", "item_id", "first")
            self._walk = self._prepared({(mailbox, item, first) for mailbox, item, first in names})
        began = self._row.position
        for position in self._positions():
            self._take_in()
            is_new = str(position) != self._row.position
            self._count(position, is_new)
            self._row.position = str(position)
            now = time.monotonic()
            over = now >= self._deadline and str(position) != began and position.stage != "done"
            if (over or now - self._looked >= LOOK_EVERY) and self._put_away(over):
                return
        self._finish()

    def _prepared(self, again: set[tuple[UUID, str, int]]) -> Walk:
        scope = Scope(
            objects=self._sees_objects,
            sample=Sample(self._row.percent, self._row.start),
            suspect=self._suspects,
            again=again,
        )
        return Walk(
            self._backend,
            self._claimed.tenant_id,
            self._vault,
            self._report,
            root=root_key(),
            scope=scope,
            locate=self._locate,
        )

    @property
    def _sees_objects(self) -> bool:
        return self._row.level in (Level.STRUCTURE, Level.FULL)

    def _begin(self) -> None:
        damage.look_again(self._backend, self._vault, self._repository_id)
        with tenant_scope(self._claimed.tenant_id):
            packs = Pack.objects.filter(repository_id=self._repository_id).count()
            mailboxes = MailboxBackup.objects.filter(allocation=self._row.allocation_id).count()
            self._row = services.held(self._claimed)
            self._row.packs_total = packs if self._sees_objects else 0
            self._row.mailboxes_total = mailboxes
            services.extend(self._row)

    def _positions(self) -> Iterator[Position]:
        position = Position.of(self._row.position) if self._row.position else None
        if position is None or position.stage == "known":
            yield from self._missing_packs(position.name if position else "")
            yield from self._known_objects()
            # The library's own beginning: not empty, which is this walk's.
            position = Position()
            yield position
        yield from self._walk.steps(position)

    def _missing_packs(self, after: str) -> Iterator[Position]:
        """A listing can't show what is not there any more: the catalog knows what should be."""
        while self._sees_objects:
            with tenant_scope(self._claimed.tenant_id):
                rows = Pack.objects.filter(repository_id=self._repository_id, name__gt=after)
                names = list(rows.order_by("name").values_list("name", flat=True)[:AT_ONCE])
            if not names:
                return
            for name in names:
                key = layout.pack_key(self._claimed.tenant_id, name)
                if not self._backend.exists(key):
                    self._report.findings.append(Finding(key, MISSING))
            after = names[-1]
            yield Position("known", after)

    def _known_objects(self) -> Iterator[Position]:
        """What is looked at by packs only is looked at here where it is known to be damaged."""
        if self._row.level != Level.REPAIR:
            return
        with tenant_scope(self._claimed.tenant_id):
            rows = DamagedObject.objects.filter(
                repository_id=self._repository_id, healed_at=None, blob=None
            )
            names = list(rows.values_list("name", flat=True))
        for name in names:
            with suppress(NotFound):
                self._walk.look(name)
            yield Position("known")

    def _count(self, position: Position, is_new: bool) -> None:
        if is_new and position.stage == "objects" and layout.pack_of(position.name):
            self._counts["packs_done"] += 1
        if is_new and position.stage == "passed" and position.name:
            self._counts["mailboxes_done"] += 1

    def _put_away(self, over: bool) -> bool:
        """Note how far it is; True when the slice ends here."""
        self._note()
        asked = self._row.asked
        if asked == Verification.Asked.STOP:
            services.finish(self._claimed, State.STOPPED)
        elif asked == Verification.Asked.PAUSE:
            services.put_back(self._claimed, State.PAUSED)
        elif over:
            services.put_back(self._claimed, State.QUEUED)
        return bool(asked) or over

    def _note(self) -> None:
        """Progress and position in one write: what is counted is never counted again."""
        position = self._row.position
        with tenant_scope(self._claimed.tenant_id):
            self._row = services.held(self._claimed)
            for name, more in self._counts.items():
                setattr(self._row, name, getattr(self._row, name) + more)
            self._row.items_read += self._report.items
            self._row.bytes_read += self._report.bytes
            self._row.position = position
            services.extend(self._row)
        self._counts = dict.fromkeys(self._counts, 0)
        self._report.items = self._report.bytes = 0
        self._looked = time.monotonic()

    def _take_in(self) -> None:
        """Name what was found since the last look."""
        findings, self._report.findings[:] = list(self._report.findings), []
        for finding in findings:
            pack = layout.pack_of(finding.object.partition(" at ")[0])
            if pack is not None and pack not in self._surveyed:
                self._surveyed.add(pack)
                self._suspects.update(
                    damage.survey(self._backend, self._vault, self._repository_id, pack)
                )
            self._counts["found"] += self._name(finding, pack)

    def _name(self, finding: Finding, pack: str | None) -> bool:
        backup = self._backups.get(finding.mailbox) if finding.mailbox else None
        if finding.item is not None and finding.first is not None:
            if backup is None:
                return False
            item, first = finding.item, finding.first
            why = damage.why_unreadable(backup, item, first, self._vault, self._locate)
            with tenant_scope(self._claimed.tenant_id):
                services.held(self._claimed)
                return bool(why) and damage.put_item(backup, item, first, finding.point, why)
        with tenant_scope(self._claimed.tenant_id):
            services.held(self._claimed)
            if pack is not None and damage.is_explained(self._repository_id, pack, finding):
                return False
            return damage.put_object(self._repository_id, finding.object, finding.reason)

    def _finish(self) -> None:
        self._note()
        since = self._row.started_at or timezone.now()
        with tenant_scope(self._claimed.tenant_id):
            self._row = services.held(self._claimed)
            backups = [backup.pk for backup in self._backups.values()]
            self._row.healed += damage.close_healed(
                self._repository_id,
                backups,
                since=since,
                saw_objects=self._sees_objects or self._row.level == Level.REPAIR,
            )
            services.extend(self._row)
            objects = DamagedObject.objects.filter(repository_id=self._repository_id)
            is_damaged = (
                objects.filter(healed_at=None).exists()
                or DamagedItem.objects.filter(backup__in=backups, healed_at=None).exists()
            )
            blobs = objects.filter(found_at__gte=since, blob__isnull=False)
            is_partly_named = self._row.level == Level.SAMPLE and blobs.exists()
        services.finish(self._claimed, State.WARNING if is_damaged else State.SUCCESS)
        if is_partly_named:
            # Other items may have the same damaged parts: those are named by another walk.
            with suppress(services.VerificationOpen):
                services.request(allocation=self._row.allocation, level=Level.REPAIR)
