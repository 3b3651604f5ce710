"""Collection: packs that hold nothing that is kept any more are found, doomed, and deleted.

Never in one go. A run first deletes what an earlier run doomed, then dooms more. Between the two
lies a fence: a number that every claim of a task draws too. What was doomed before the fence was
drawn is not referred to by anybody who claimed after it, so it may go when no worker with a lower
number is left, and when the references, read again, still name nothing in it. A worker that
stopped reporting counts until the number of the next commit, which it could still write, is
filled: by what it wrote, or by a void commit. No clock decides.

A pack that goes is first given up for good, with the run's row held, and never used again: a
collector that wakes up after days can only delete what was given up.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Min, Q, QuerySet, Sum
from django.db.models.functions import Now

from backups.catalog import projection
from backups.catalog.models import BlobLocation, Pack
from backups.catalog.packs import share_lock
from backups.infrastructure.keys import open_vault
from backups.repository import NoSpace, NotFound, StoredPack, Unreadable, Vault, layout
from backups.repository.errors import Refused
from backups.retention.chains import Chains
from backups.retention.models import Phase
from backups.retention.needed import NeededBlobs
from backups.retention.outcome import Collected, CollectionAborted, TooMuch
from backups.sessions.models import State, Task
from backups.verifications.models import DamagedObject
from tenants.isolation.scope import APP, OPERATOR, tenant_scope

log = logging.getLogger(__name__)

MOST_AT_ONCE = 0.5
"""A run that would doom a greater part of the packs, and more than a few, dooms none."""
A_FEW = 20
WORTH_REPACKING = 0.6
"""A pack is copied together with others when less than this part of its bytes is needed."""
REPACK_AT_ONCE = 64
"""Packs that one run copies from."""
GRACE = timedelta(hours=1)
"""For whoever has just looked up where a blob lies and is about to read it; safety needs none."""


class Watch:
    """Who wants to know how far a run is, and may end it. This one never does."""

    def look(self, done: Collected, phase: Phase, number: int, total: int) -> None:
        """Called between any two steps; what it raises ends the run there."""

    def hold(self) -> None:
        """Inside the tenant's transaction: make sure that the run is still ours, or raise."""


def collect(
    repository_id: UUID,
    tenant_id: UUID,
    *,
    grace: timedelta | None = None,
    watch: Watch | None = None,
    may_take_most: bool = False,
) -> Collected | None:
    """One run over a tenant's share of a repository; None when another one is at it.

    Raises CollectionAborted, TryAgainSoon, RepositoryError, and what ``watch`` raises.
    """
    with _alone(repository_id, tenant_id) as alone:
        if not alone:
            return None
        with tenant_scope(tenant_id):
            vault = open_vault(repository_id)
        rules = _Rules(GRACE if grace is None else grace, may_take_most)
        return _Run(repository_id, vault, watch or Watch(), rules).run()


@contextmanager
def _alone(repository_id: UUID, tenant_id: UUID) -> Iterator[bool]:
    """Whether nobody else collects here; the lock goes with the connection of who holds it."""
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        key = share_lock(repository_id, tenant_id)
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key])
        yield cursor.fetchone()[0]


@dataclass(frozen=True, slots=True)
class _Rules:
    grace: timedelta
    may_take_most: bool


class _Run:
    def __init__(self, repository_id: UUID, vault: Vault, watch: Watch, rules: _Rules) -> None:
        self._repository = repository_id
        self._tenant = vault.tenant
        self._vault = vault
        self._watch = watch
        self._rules = rules
        self._done = Collected()
        self._needed = NeededBlobs(self._tenant, repository_id)
        self._live: dict[str, int] = {}
        """Bytes that are needed of each pack in which any are."""
        self._damaged: set[str] = set()
        """Packs that are kept as they are: nothing can be copied out of them."""

    def run(self) -> Collected:
        chains = Chains(self._repository, self._vault)
        chains.close_lost_workers()
        open_fence = self._open_fence()
        chains.require_whole(lambda number, of: self._look(Phase.CHAINS, number, of))
        listed = set(self._vault.packs())
        self._done.packs = len(listed)
        self._note_strangers(listed)
        chains.gather(self._needed, lambda number, of: self._look(Phase.REFERENCES, number, of))
        self._place(listed)
        self._spare()
        self._delete(open_fence, listed)
        self._doom(self._dead(), len(listed))
        self._draw_fence()
        self._repack(listed)
        self._draw_fence()
        self._needed.drop()
        with tenant_scope(self._tenant):
            self._done.waiting = self._packs().exclude(doomed_at=None).count()
        return self._done

    def _look(self, phase: Phase, number: int, total: int) -> None:
        self._watch.look(self._done, phase, number, total)

    def _open_fence(self) -> int | None:
        """The lowest number of a worker that may still refer to what it found; None: nobody."""
        with tenant_scope(self._tenant):
            with connections[APP].cursor() as cursor:
                # Waits for claims that have drawn a number and are not committed yet.
                cursor.execute("LOCK TABLE backups_task IN SHARE MODE")
            tasks = Task.objects.filter(repository_id=self._repository).order_by()
            lowest = tasks.aggregate(
                running=Min("fence", filter=Q(state=State.RUNNING)), lost=Min("lost_fence")
            )
        return min((fence for fence in lowest.values() if fence is not None), default=None)

    def _note_strangers(self, listed: set[str]) -> None:
        """Packs that nobody noted: of a worker that died, or lives and will note them itself."""
        with tenant_scope(self._tenant):
            known = set(self._packs().values_list("name", flat=True))
        strangers = sorted(listed - known)
        for number, name in enumerate(strangers):
            self._look(Phase.CHAINS, number, len(strangers))
            try:
                pack = self._vault.read_pack(name)
            except NotFound:
                continue
            except Unreadable as error:
                self._done.remark(f"left as it is: {error}")
                continue
            with tenant_scope(self._tenant):
                self._watch.hold()
                projection.record_packs(self._repository, [pack])

    def _place(self, listed: set[str]) -> None:
        """Find the packs of all that is needed.

        Raises CollectionAborted for a blob or a pack that is missing and of which no verification
        has said so: the catalog or the listing may be what is wrong.
        """
        self._needed.close()
        lost, example = self._needed.without_place()
        if lost:
            raise CollectionAborted(f"{lost} blobs are in no known pack, among them {example}")
        self._live = self._needed.bytes_in_packs()
        with tenant_scope(self._tenant):
            known = DamagedObject.objects.filter(repository_id=self._repository, healed_at=None)
            named = set(known.filter(blob=None).values_list("name", flat=True))
            in_quarantine = DamagedObject.objects.filter(
                repository_id=self._repository, quarantined=True
            )
            self._damaged = set(in_quarantine.exclude(pack="").values_list("pack", flat=True))
        for pack, (size, blobs) in self._needed.damaged().items():
            self._live[pack] = self._live.get(pack, 0) + size
            self._done.damaged += blobs
            self._done.remark(f"kept: {layout.pack_key(self._tenant, pack)}: {blobs} damaged")
        for pack in sorted(self._live.keys() - listed):
            if pack in self._damaged or layout.pack_key(self._tenant, pack) in named:
                self._done.remark(f"missing: {layout.pack_key(self._tenant, pack)}")
            else:
                raise CollectionAborted(f"pack {pack} is needed and was not listed")

    def _spare(self) -> None:
        with tenant_scope(self._tenant):
            self._watch.hold()
            doomed = self._packs().filter(going_at=None).exclude(doomed_at=None)
            needed = set(doomed.values_list("name", flat=True)) & self._live.keys()
            spared = doomed.filter(name__in=list(needed))
            self._done.spared = spared.update(doomed_at=None, doomed_fence=None)

    def _delete(self, open_fence: int | None, listed: set[str]) -> None:
        """What was doomed before every open worker claimed. A crash leaves rows."""
        with tenant_scope(self._tenant):
            ripe = Q(doomed_at__lte=Now() - self._rules.grace, doomed_fence__isnull=False)
            if open_fence is not None:
                ripe &= Q(doomed_fence__lt=open_fence)
            chosen = self._packs().filter(ripe | Q(going_at__isnull=False)).order_by("name")
            rows = chosen.values_list("name", "size", "doomed_fence")
            # What was given up for good and is needed all the same is copied first.
            packs = [row for row in rows if row[0] not in self._live]
        for number, (name, size, fence) in enumerate(packs):
            self._look(Phase.DELETING, number, len(packs))
            if self._give_up(name, fence) and self._is_deleted(name, name in listed):
                listed.discard(name)
                self._done.deleted += 1
                self._done.deleted_bytes += size

    def _give_up(self, name: str, fence: int | None) -> bool:
        """From here on nobody may use the pack again, whoever deletes it and when."""
        with tenant_scope(self._tenant):
            self._watch.hold()
            mine = self._packs().filter(name=name, doomed_fence=fence).exclude(doomed_at=None)
            if not mine.update(going_at=Now()):
                return False
            BlobLocation.objects.filter(repository_id=self._repository, pack=name).delete()
        return True

    def _is_deleted(self, name: str, is_listed: bool) -> bool:
        if is_listed:
            try:
                self._vault.delete_pack(name)
            except NotFound:
                log.info("pack %s was gone already", name)
            except Refused as error:
                self._done.refused += 1
                self._done.remark(f"not deleted: {error}")
                return False
        with tenant_scope(self._tenant):
            self._packs().filter(name=name).delete()
        return True

    def _dead(self) -> set[str]:
        """Also what is noted and not there, as in a database that was put back from a copy."""
        with tenant_scope(self._tenant):
            sound = self._packs().filter(doomed_at=None)
            return set(sound.values_list("name", flat=True)) - self._live.keys()

    def _doom(self, packs: set[str], of: int) -> None:
        too_much = len(packs) > A_FEW and len(packs) > MOST_AT_ONCE * of
        if too_much and not self._rules.may_take_most:
            raise TooMuch(f"{len(packs)} of {of} packs would go: that is too much")
        with tenant_scope(self._tenant):
            self._watch.hold()
            doomed = self._packs().filter(name__in=list(packs), doomed_at=None)
            self._done.doomed += doomed.update(doomed_at=Now(), doomed_fence=None)

    def _repack(self, listed: set[str]) -> None:
        thin = self._thin(listed)
        repacker = self._vault.repacker()
        copied: list[str] = []
        try:
            for number, name in enumerate(thin):
                self._look(Phase.REPACKING, number, len(thin))
                try:
                    repacker.copy(name, self._needed.in_pack(name))
                except Unreadable as error:
                    self._done.remark(f"not copied: {error}")
                else:
                    copied.append(name)
            repacker.flush()
        except NoSpace as error:
            # What was copied so far is found as packs that nobody noted.
            self._done.remark(f"nothing is copied: {error}")
            return
        if copied:
            self._exchange(copied, repacker.taken())

    def _thin(self, listed: set[str]) -> list[str]:
        """Packs worth copying, the emptiest first, after those that go whatever they hold."""
        with tenant_scope(self._tenant):
            packs = self._packs().filter(Q(doomed_at=None) | Q(going_at__isnull=False))
            going = dict(packs.values_list("name", "going_at"))
            blobs = BlobLocation.objects.filter(repository_id=self._repository).order_by()
            held = dict(blobs.values_list("pack").annotate(Sum("length")))
        share = {
            name: 0.0 if going[name] else self._live[name] / held[name]
            for name in going.keys() & listed & self._live.keys() & held.keys() - self._damaged
        }
        thin = [name for name, part in share.items() if part < WORTH_REPACKING]
        return sorted(thin, key=share.__getitem__)[:REPACK_AT_ONCE]

    def _exchange(self, old: Collection[str], new: list[StoredPack]) -> None:
        """One transaction: the old packs are doomed, so what is noted of them gives way."""
        with tenant_scope(self._tenant):
            self._watch.hold()
            sound = self._packs().filter(name__in=old, doomed_at=None)
            sound.update(doomed_at=Now(), doomed_fence=None)
            projection.record_packs(self._repository, new)
        self._done.repacked = len(old)

    def _draw_fence(self) -> None:
        """After the dooming is committed: whoever draws a higher number sees it."""
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            # Nobody else dooms between the number and the update.
            self._watch.hold()
            cursor.execute("SELECT nextval('backups_fence')")
            (fence,) = cursor.fetchone()
            self._packs().filter(doomed_at__isnull=False, doomed_fence=None).update(
                doomed_fence=fence
            )

    def _packs(self) -> QuerySet[Pack]:
        return Pack.objects.filter(repository_id=self._repository)
