"""Whatever happens to backups, in any order, what was promised is read back byte for byte."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import time_machine
from django.db.models.functions import Now
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from backups.catalog.models import ItemVersion, MailboxBackup
from backups.engine import group
from backups.infrastructure.rebuilding import rebuild_packs, rebuild_wanted, want_rebuild
from backups.jobs.models import Job
from backups.jobs.retention import KEPT_FOREVER, Mode, Retention
from backups.organizations.models import Mailbox
from backups.repository import RepositoryError, chain
from backups.restores.services import restore_items
from backups.retention import applying
from backups.retention.collection import CollectionAborted, collect
from backups.retention.models import LegalHold
from backups.retention.services import place_hold, release_hold
from backups.sessions import reaping
from backups.sessions.models import State
from backups.verifications import services as verifications
from backups.verifications import work
from backups.verifications.models import DamagedObject, Level
from tenants.isolation.scope import tenant_scope
from tests.model.edits import Edit, apply, edits, one_of
from tests.model.reading import Reading
from tests.model.tables import copy_catalog, drop_catalog, empty_tables, put_catalog_back
from tests.model.trouble import Trouble, dying, standing_still, troubles
from tests.model.world import ADDRESSES, ModelWorld, Side

BEGINNING = datetime(2016, 1, 1, tzinfo=UTC)
"""The database's clock can't be turned: ours is behind it, and retention goes by the earlier."""
LATEST = datetime(2026, 1, 1, tzinfo=UTC)

sides = some.sampled_from(sorted(ADDRESSES))
addresses = some.sampled_from(sorted(a for of_one in ADDRESSES.values() for a in of_one))
numbers = some.integers(0, 9)
retentions = some.sampled_from(
    [Retention(Mode.POINTS, 1), Retention(Mode.ITEMS, 1), Retention(Mode.POINTS, 30), KEPT_FOREVER]
)
some_edits = some.lists(edits, min_size=1, max_size=4)
MEANWHILE = ("reap", "collect", "work", "expire", "jump")


some_hours = some.sampled_from([25, 1, 24 * 8, 24 * 40, -24 * 3])
times = some.integers(0, 2)


class Backups(RuleBasedStateMachine):
    """The rules; ``Promise`` in tests/model/world.py is the model."""

    seen: ClassVar[Counter[str]] = Counter()
    """What has happened, so that a run can be asked whether it was one."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="stowage-model-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.clock = self.stack.enter_context(time_machine.travel(BEGINNING, tick=False))
        self.is_copied = False
        self.flipped: dict[Path, bytes] = {}
        self.changed = False
        """Whether anything was done since the last look at everything."""

    @initialize(
        few_items=some.sampled_from([1, 3, 2_000]),
        checkpoints=some.sampled_from([3, 200]),
        retention=retentions,
    )
    def begin(self, few_items: int, checkpoints: int, retention: Retention) -> None:
        for owner, name, value in (
            (group, "MAX_ITEMS", few_items),
            (chain, "COMMITS_PER_CHECKPOINT", checkpoints),
            (reaping, "MAX_DEATHS", 1_000),
        ):
            self.stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        self.world = ModelWorld(self.folder / "repository")
        self.stack.enter_context(self.world.installed())
        for name in ADDRESSES:
            self.keep_for(name, retention)

    def teardown(self) -> None:
        self.stack.close()
        empty_tables()

    @invariant()
    def everything_promised_reads(self) -> None:
        if self.changed:
            Reading(self.world, damaged=bool(self.flipped)).require_all()
            self.changed = False

    # Backups, whole and broken off.

    # Hypothesis takes each rule as often as any other, and leaves out some of them for an
    # example: what is to happen most has several.

    @rule(name=sides, doing=some_edits, hours=some_hours, nights=times)
    def a_quiet_day(self, name: str, doing: Sequence[Edit], hours: int, nights: int) -> None:
        self.edit(name, doing)
        self.jump(hours)
        self.back_up(name)
        self.tidy_up(name, nights)

    @rule(doing=some_edits, more=some_edits, hours=some_hours)
    def a_day_of_everybody(self, doing: Sequence[Edit], more: Sequence[Edit], hours: int) -> None:
        for name, of_one in zip(self.world.sides, (doing, more), strict=True):
            self.a_quiet_day(name, of_one, hours, 1)

    @rule(name=sides, doing=some_edits, hours=some_hours, trouble=troubles, goes_on=some.booleans())
    def a_day_on_which_a_worker_dies(
        self, name: str, doing: Sequence[Edit], hours: int, trouble: Trouble, goes_on: bool
    ) -> None:
        self._begin(name, doing, hours)
        with dying(trouble) as died:
            self.world.work_once()
        self.seen["died"] += len(died)
        self._end(name, goes_on)

    @rule(
        name=sides,
        doing=some_edits,
        hours=some_hours,
        trouble=troubles,
        meanwhile=some.lists(some.sampled_from(MEANWHILE), min_size=1, max_size=6),
    )
    def a_day_on_which_a_worker_stands_still(
        self, name: str, doing: Sequence[Edit], hours: int, trouble: Trouble, meanwhile: list[str]
    ) -> None:
        side = self._begin(name, doing, hours)

        def happens() -> None:
            self.seen["stood still"] += 1
            for what in meanwhile:
                self._meanwhile(side, what)

        with standing_still(trouble, happens):
            self.world.work_once()
        self._end(name, goes_on=False)

    def _begin(self, name: str, doing: Sequence[Edit], hours: int) -> Side:
        self.changed = True
        self.edit(name, doing)
        self.jump(hours)
        side = self.world.sides[name]
        self.world.start(side)
        return side

    def _end(self, name: str, goes_on: bool) -> None:
        if self.world.ended(self.world.sides[name]) is None and goes_on:
            self.back_up(name)

    def edit(self, name: str, doing: Sequence[Edit]) -> None:
        for edit in doing:
            apply(edit, list(self.world.sides[name].system.mailboxes.values()))

    def back_up(self, name: str) -> None:
        side = self.world.sides[name]
        self.world.start(side)
        assert self.world.work(side) in (State.SUCCESS, State.STOPPED)
        self.changed = True

    @rule(name=sides)
    def back_up_after_the_server_forgot_its_tokens(self, name: str) -> None:
        side = self.world.sides[name]
        for here in side.system.mailboxes.values():
            # What nobody heard to be deleted is kept: a listing that starts over removes nothing.
            if not here.unheard:
                here.moment += 1
                here.forgotten = here.moment
        self.back_up(name)

    def _meanwhile(self, side: Side, what: str) -> None:
        if what == "reap":
            self.world.bury_workers()
        elif what == "collect":
            self._collect(side)
        elif what == "work":
            self.world.work_once()
        elif what == "expire":
            self._expire(side)
        else:
            self.jump(3 * 24)

    @rule(name=sides)
    def stop(self, name: str) -> None:
        side = self.world.sides[name]
        if side.session is not None:
            self.world.stop(side)
            self.changed = True

    # Time, and what goes with it.

    def jump(self, hours: int) -> None:
        to = datetime.now(UTC) + timedelta(hours=hours)
        if BEGINNING < to < LATEST:
            self.clock.move_to(to)

    @rule(name=sides, retention=retentions)
    def keep_for(self, name: str, retention: Retention) -> None:
        side = self.world.sides[name]
        with tenant_scope(side.id):
            job = Job.objects.get(pk=side.job.pk)
            job.retention = side.retention = retention
            job.save()

    @rule(name=sides, trouble=troubles)
    def a_night_on_which_a_worker_dies(self, name: str, trouble: Trouble) -> None:
        with dying(trouble) as died:
            self.tidy_up(name, 2)
        self.seen["died"] += len(died)

    @rule(name=sides, nights=times)
    def tidy_up(self, name: str, nights: int) -> None:
        for _ in range(nights):
            self._expire(self.world.sides[name])
            self._collect(self.world.sides[name])

    def _expire(self, side: Side) -> None:
        self.changed = True
        with tenant_scope(side.id):
            MailboxBackup.objects.update(retention_due_at=Now())
        before = self.world.expired
        applying.apply_due(self.world.repository.pk, side.id)
        self.seen["expired"] += self.world.expired - before

    def _collect(self, side: Side) -> None:
        self.changed = True
        try:
            done = collect(self.world.repository.pk, side.id, grace=timedelta(0))
        except (CollectionAborted, RepositoryError) as error:
            # What is damaged may be needed; and a chain may be just being written.
            waits = isinstance(error, CollectionAborted) and "being written" in str(error)
            if not self.flipped and not waits:
                raise
        else:
            assert done is not None
            self.seen["deleted"] += done.deleted
            self.seen["repacked"] += done.repacked

    @rule(address=addresses)
    def hold_or_release(self, address: str) -> None:
        side = self.world.side_at(address)
        with tenant_scope(side.id):
            mailbox = Mailbox.objects.filter(address=address).first()
            if mailbox is None:
                return
            hold = LegalHold.objects.in_force().filter(mailbox=mailbox).first()
            if hold is None:
                place_hold(mailbox=mailbox, reason="a case")
            else:
                release_hold(hold=hold, reason="it is closed")
        side.promises[address].held = hold is None

    # Damage.

    @precondition(lambda self: not self.flipped)
    @rule(pack=some.integers(0, 99), position=some.floats(0, 1, exclude_max=True))
    def flip_a_bit(self, pack: int, position: float) -> None:
        packs = self.world.packs()
        if packs:
            path = one_of(packs, pack)
            self.flipped[path] = content = path.read_bytes()
            at = int(len(content) * position)
            path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
            self.changed = True

    @precondition(lambda self: self.flipped)
    @rule()
    def verify_and_heal(self) -> None:
        """What is damaged is stored again by the next backup that meets the same content."""
        self.changed = True
        reading = Reading(self.world, damaged=True)
        for name, side in self.world.sides.items():
            self._verify(side)
            self.back_up(name)
            for here in side.system.mailboxes.values():
                for item in list(here.items):
                    here.change(item, here.items[item].payload)
            self.back_up(name)
            assert all(reading.reads_newest(side, address) for address in side.promises)
            self.seen["healed"] += 1

    @precondition(lambda self: self.flipped)
    @rule()
    def mend(self) -> None:
        """The storage was mended: everything that is still needed reads again."""
        self.changed = True
        for path, content in self.flipped.items():
            if path.exists():
                path.write_bytes(content)
        self.flipped.clear()
        for side in self.world.sides.values():
            self._verify(side)
            with tenant_scope(side.id):
                assert not DamagedObject.objects.filter(healed_at=None).exists()

    def _verify(self, side: Side) -> None:
        verifications.request(allocation=side.allocation, level=Level.FULL)
        for _ in range(200):
            if not work.run_queue(self.world.queue):
                return
        raise AssertionError("the verification does not end")

    # A database that is made again, lost, or old.

    @rule(name=sides)
    def rebuild(self, name: str) -> None:
        self._rebuild(self.world.sides[name])

    @precondition(lambda self: not self.flipped)
    @rule()
    def lose_the_catalog(self) -> None:
        drop_catalog()
        for side in self.world.sides.values():
            self._rebuild(side)

    @precondition(lambda self: not self.flipped)
    @rule()
    def copy_the_catalog(self) -> None:
        copy_catalog()
        self.is_copied = True

    @precondition(lambda self: self.is_copied and not self.flipped)
    @rule()
    def put_an_older_copy_back(self) -> None:
        """What it tells of may have expired and been collected since: it is to be made again."""
        put_catalog_back()
        for side in self.world.sides.values():
            self._rebuild(side)

    def _rebuild(self, side: Side) -> None:
        self.changed = True
        rebuild_packs(side.id, _quietly)
        want_rebuild(side.id)
        for outcome in rebuild_wanted(side.id, _quietly):
            assert outcome.error is None
        self.seen["rebuilt"] += 1

    # Restores.

    @precondition(lambda self: not self.flipped)
    @rule(address=addresses, number=numbers)
    def restore_a_point(self, address: str, number: int) -> None:
        side = self.world.side_at(address)
        backup = self.world.backups(side).get(address)
        offered = side.promises[address].offered(backup.head if backup else 0)
        if backup is None or not offered:
            return
        point = one_of(sorted(offered), number)
        wanted = [content for _, _, content in offered[point][1].items.values()]
        if wanted:
            with tenant_scope(side.id):
                versions = ItemVersion.objects.at(point).filter(backup=backup)
                ids = list(versions.values_list("pk", flat=True))
                restore_items(mailbox=backup.mailbox, version_ids=ids, target_folder="Restored")
            here = side.system.mailboxes[address]
            before = set(here.items)
            self.world.work_off_restores()
            back = [held.payload for item, held in here.items.items() if item not in before]
            assert sorted(back) == sorted(wanted)
            self.seen["restored"] += len(back)


def _quietly(done: int, of: int) -> None:
    pass
