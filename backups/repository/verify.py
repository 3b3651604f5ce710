"""Verifying one tenant's share of a repository, in steps, so that it can stop between any two."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from . import layout, packs
from .backend import Backend
from .check_keys import check_keys
from .checkpoints import Checkpoint
from .commits import Commit
from .destruction import Destruction, destructions
from .errors import Damaged, NotFound, RepositoryError, Unavailable, Unreadable
from .findings import MISSING, Finding, Report, finding_of, found_in
from .keys import KeyWrapper
from .packs import Location
from .records import ItemRecord
from .retained import Retained
from .vault import Vault
from .writer import Locate, located

Versions = Iterable[tuple[int, int | None, ItemRecord]]
"""From which commit on, before which one, and what."""

CIRCLE = 100.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Which items are read: each has its place on a circle, and a window of it is looked at.

    A window that begins where the one before ended takes what was not read for longest.
    """

    percent: float = CIRCLE
    start: float = 0.0
    """From 0 to 100: where the window begins."""
    stored_before: datetime | None = None
    """Only what was backed up before that moment."""

    @classmethod
    def numbered(cls, percent: float, number: int, stored_before: datetime | None = None) -> Sample:
        """The samples 0, 1, 2 … of so many percent lie side by side: together they are all."""
        return cls(percent, percent * number % CIRCLE, stored_before)

    def chooses(self, mailbox: UUID, item_id: str, first: int) -> bool:
        """``first``: the commit that the version came with."""
        name = mailbox.bytes + first.to_bytes(8, "little") + item_id.encode(errors="surrogatepass")
        place = int.from_bytes(hashlib.sha256(name).digest()[:4], "little") / 2**32 * CIRCLE
        return (place - self.start) % CIRCLE < self.percent


EVERYTHING = Sample()


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at. Chains are followed in any case, where there are keys."""

    objects: bool = True
    """Whether every pack, segment and dictionary is read whole."""
    sample: Sample = EVERYTHING
    suspect: Collection[bytes] = frozenset()
    """Items with one of these blobs are read, whatever the sample says."""
    again: Collection[tuple[UUID, str, int]] = frozenset()
    """Item versions that are read, too: mailbox, item id, the commit that it came with."""
    mailbox: UUID | None = None
    """Only this one, instead of all."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a verification is. Text, so that it can be kept anywhere."""

    stage: str = "objects"
    """objects, reading (a mailbox), passed (a mailbox), done."""
    name: str = ""
    """The last object that was read, or the mailbox."""
    beginning: int = 0
    """The first commit of that mailbox's chain."""
    items: int = 0
    """Versions of that mailbox that were passed."""

    def __str__(self) -> str:
        return f"{self.stage} {self.beginning} {self.items} {self.name}"

    @classmethod
    def of(cls, text: str) -> Position:
        """Raises ValueError."""
        if not text:
            return cls()
        stage, beginning, items, name = text.split(" ", 3)
        return cls(stage, name, int(beginning), int(items))


class Verification:
    """Of one tenant; what it finds goes into the report.

    ``vault`` None: structure alone. ``locate`` None: the packs themselves say where blobs are,
    which takes about 250 bytes of memory per blob. ``root`` opens wrapped keys, to try them.
    """

    def __init__(
        self,
        backend: Backend,
        tenant: UUID,
        vault: Vault | None,
        report: Report,
        *,
        root: KeyWrapper | None = None,
        scope: Scope | None = None,
        locate: Locate | None = None,
    ) -> None:
        self._backend = backend
        self._tenant = tenant
        self._vault = vault
        self._report = report
        self._root = root
        self._scope = scope or Scope()
        self._locate = locate
        self._index: dict[bytes, Location] = {}
        self._segments: set[bytes] = set()
        """Hashes of those that were read."""

    def run(self) -> None:
        """All of it. Raises Unavailable; never stops at damage."""
        for _ in self.steps():
            pass

    def steps(self, after: Position | None = None) -> Iterator[Position]:
        """After each step the place from which another call goes on. Raises Unavailable.

        The same place again says that it is at work: only another one is a gain.
        """
        after = after or Position()
        if after.stage == "done":
            return
        destroyed = self._destroyed()
        if after == Position():
            self._report.destroyed += destroyed.values()
            keys = self._vault.keys if self._vault else None
            check_keys(self._backend, self._tenant, keys, self._root, self._report.findings)
        if after.stage == "objects":
            if self._scope.objects:
                yield from self._objects(after.name)
            after = Position("passed")
            yield after
        if self._vault is not None and self._locate is None and not self._index:
            self._build_index(self._vault)
        for mailbox in self._mailboxes():
            if self._scope.mailbox in (None, mailbox) and mailbox not in destroyed:
                is_passed = str(mailbox) == after.name and after.stage == "passed"
                if str(mailbox) < after.name or is_passed:
                    continue
                yield from self._mailbox(mailbox, after)
                yield Position("passed", str(mailbox))
        yield Position("done")

    def _destroyed(self) -> dict[UUID | None, Destruction]:
        try:
            return destructions(self._backend, self._tenant)
        except Damaged as error:
            self._report.findings.append(finding_of(error, error.key))
            return {}

    def _objects(self, after: str) -> Iterator[Position]:
        passed = after.split("/")
        for key in self._backend.list(layout.tenant_prefix(self._tenant)):
            if after and key.split("/") <= passed:
                continue
            if self.look(key):
                yield Position("objects", key)
            elif not layout.is_known(key):
                self._report.unknown.append(key)

    def look(self, key: str) -> bool:
        """Read one pack, segment or dictionary whole; False for any other object."""
        if (pack := layout.pack_of(key)) is not None:
            self._pack(key, pack)
        elif (segment := layout.segment_of(key)) is not None:
            self._segment(key, segment[1])
        elif (number := layout.dictionary_of(key)) is not None:
            self._dictionary(key, number)
        else:
            return False
        return True

    def _segment(self, key: str, segment: str) -> None:
        with found_in(key, self._report.findings):
            if hashlib.sha256(self._backend.get(key)).hexdigest() != segment:
                raise Damaged(key, "the content does not match the name")

    def _dictionary(self, key: str, number: int) -> None:
        """A damaged one costs nothing that is stored: packs carry copies."""
        with found_in(key, self._report.findings):
            if self._vault is not None:
                self._vault.read_dictionary(number)

    def _mailboxes(self) -> list[UUID]:
        places = map(layout.commit_of, self._backend.list(layout.commits_prefix(self._tenant)))
        found = {place[0] for place in places if place is not None}
        return sorted(found.union(self._vault.mailboxes() if self._vault else ()), key=str)

    def _pack(self, key: str, pack: str) -> None:
        try:
            content = memoryview(self._backend.get(key))
            headers = packs.scan(content, pack, key)
            if self._vault is not None:
                stored = self._vault.read_pack(pack)
                if [(i, n) for i, _, n in stored.blobs] != [(h.id, h.size) for h in headers]:
                    raise Damaged(key, "the directory does not match the blobs")
        except Unavailable:
            raise
        except RepositoryError as error:
            self._report.findings.append(finding_of(error, key))
            self._index_readable(pack, is_sound=False)
            return
        self._report.packs += 1
        self._report.blobs += len(headers)
        self._index_readable(pack, is_sound=True)

    def _index_readable(self, pack: str, *, is_sound: bool) -> None:
        """Even a damaged pack is asked for its blobs: what it costs is named item by item.

        What is in a sound pack as well is taken from there: it was stored again, and is healed.
        """
        if self._vault is None or self._locate is not None:
            return
        try:
            entries = self._vault.read_pack(pack).blobs
        except (Unreadable, NotFound):
            return  # already a finding; its items will be missing blobs
        for blob_id, offset, length in entries:
            if is_sound or blob_id not in self._index:
                self._index[blob_id] = Location(pack, offset, length)

    def _build_index(self, vault: Vault) -> None:
        damaged: list[Unreadable] = []
        self._index = vault.pack_index(damaged)
        for error in damaged if not self._scope.objects else ():
            self._report.findings.append(finding_of(error, error.key))

    def _mailbox(self, mailbox: UUID, after: Position) -> Iterator[Position]:
        self._report.mailboxes += 1
        if self._vault is None:
            self._numbers(mailbox)
            return
        here = after if after.name == str(mailbox) else Position("reading", str(mailbox))
        retained, stored_at = Retained(), dict[int, datetime]()
        prefix = layout.commits_prefix(self._tenant, mailbox)
        with found_in(prefix, self._report.findings, mailbox):
            for commit, versions in self._chain(mailbox, self._vault):
                self._report.commits += 1
                stored_at[commit.sequence] = commit.taken_at
                if commit.checkpoint is not None:
                    self._checkpoint(commit.checkpoint, mailbox)
                if versions is not None and commit.checkpoint is not None:
                    retained.begin(commit.checkpoint.points, versions)
                else:
                    retained.apply(commit)
                yield here
        if self._scope.sample.percent <= 0 and not (self._scope.suspect or self._scope.again):
            return
        beginning = next(iter(stored_at), 0)
        passed = here.items if here.beginning == beginning else 0
        for number, version in enumerate(self._versions(mailbox, self._vault), 1):
            first, _, item = version
            if number > passed and self._is_chosen(mailbox, first, item, retained, stored_at):
                self._item(mailbox, first, item, retained, self._vault)
                yield Position("reading", str(mailbox), beginning, number)

    def _versions(
        self, mailbox: UUID, vault: Vault
    ) -> Iterator[tuple[int, int | None, ItemRecord]]:
        """What was wrong with the chain is a finding by now; its readable part is gone through."""
        try:
            for commit, versions in self._chain(mailbox, vault):
                if versions is None:
                    versions = ((commit.sequence, None, item) for item in commit.items)
                yield from versions
        except Unavailable:
            raise
        except RepositoryError:
            return

    def _is_chosen(
        self,
        mailbox: UUID,
        first: int,
        item: ItemRecord,
        retained: Retained,
        stored_at: dict[int, datetime],
    ) -> bool:
        """The parts of what no restore point needs may be collected by now."""
        if not retained.needs(item.item_id, first):
            return False
        if (mailbox, item.item_id, first) in self._scope.again:
            return True
        if self._scope.suspect and any(ref.id in self._scope.suspect for ref in item.blobs):
            return True
        sample = self._scope.sample
        # A commit that is gone was before the chain's first one: it is old.
        moment = stored_at.get(first)
        if sample.stored_before and moment and moment >= sample.stored_before:
            return False
        return sample.chooses(mailbox, item.item_id, first)

    def _chain(self, mailbox: UUID, vault: Vault) -> Iterator[tuple[Commit, Versions | None]]:
        """Commits in order; with the first one, where it is not number 1, all that it tells of."""
        is_first = True
        for stored in vault.commits(mailbox):
            commit = stored.commit
            if is_first and commit.sequence > 1 and commit.checkpoint is not None:
                yield commit, vault.versions(mailbox, commit.checkpoint)
            else:
                yield commit, None
            is_first = False

    def _checkpoint(self, checkpoint: Checkpoint, mailbox: UUID) -> None:
        vault = self._vault
        for segment in checkpoint.segments:
            if vault is None or segment.hash in self._segments:
                continue
            self._segments.add(segment.hash)
            name = layout.segment_key(self._tenant, mailbox, segment.hash.hex())
            with found_in(name, self._report.findings, mailbox):
                for _ in vault.versions(mailbox, Checkpoint(segments=[segment])):
                    pass

    def _numbers(self, mailbox: UUID) -> None:
        """Without keys the chain can't be followed, but a gap shows.

        Where there are checkpoints, it can't be told from commits that were collected.
        """
        collected = any(
            True for _ in self._backend.list(layout.segments_prefix(self._tenant, mailbox))
        )
        prefix = layout.commits_prefix(self._tenant, mailbox)
        places = map(layout.commit_of, self._backend.list(prefix))
        expected = 1
        for sequence in sorted(place[1] for place in places if place is not None):
            for missing in range(expected, sequence) if not collected else ():
                name = layout.commit_key(self._tenant, mailbox, missing)
                self._report.findings.append(Finding(name, MISSING, mailbox))
            expected = sequence + 1
            self._report.commits += 1

    def _item(
        self, mailbox: UUID, first: int, item: ItemRecord, retained: Retained, vault: Vault
    ) -> None:
        locate: Locate = self._locate or located(self._index)
        try:
            content = vault.read_item(item.recipe, item.blobs, item.sha256, locate)
            if len(content) != item.size:
                raise Damaged("item", f"has {len(content)} bytes instead of {item.size}")
        except Unreadable as error:
            point = retained.first_point(item.item_id, first)
            finding = Finding(error.key, error.reason, mailbox, point, item.item_id, first)
            self._report.findings.append(finding)
        else:
            self._report.items += 1
            self._report.bytes += len(content)
