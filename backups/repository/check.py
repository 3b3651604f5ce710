"""Checking a repository: every object by itself, and with the keys every item."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from . import layout, packs
from .check_keys import check_keys
from .checkpoints import Checkpoint
from .commits import Commit
from .destruction import Destruction, destructions
from .errors import (
    Damaged,
    KeyDestroyed,
    NotFound,
    RepositoryError,
    Unavailable,
    Unreadable,
    WrongKey,
)
from .findings import Finding, finding_of, found_in
from .keys import KeyWrapper
from .packs import Location
from .records import ItemRecord
from .repository import Repository
from .retained import Retained
from .vault import Vault
from .writer import located


@dataclass(slots=True)
class Report:
    full: bool
    """Whether keys were there, so that content was checked and not only structure."""
    tenants: int = 0
    mailboxes: int = 0
    packs: int = 0
    blobs: int = 0
    commits: int = 0
    items: int = 0
    bytes: int = 0
    """Of items that were joined and hashed."""
    findings: list[Finding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Objects that are none of the format's."""
    destroyed: list[Destruction] = field(default_factory=list)
    """Keys that were destroyed on request: what they opened is gone, not damaged."""


def check(
    repository: Repository,
    root: KeyWrapper | None,
    *,
    passphrase: str | None = None,
    tenants: list[UUID] | None = None,
    mailbox: UUID | None = None,
) -> Report:
    """With the root key or a recovery passphrase content too, without either structure alone.

    Never stops at damage. Raises Unavailable, and WrongKey when the key at hand opens nothing.
    """
    chosen = repository.tenants() if tenants is None else tenants
    opener = _opener(repository, root, passphrase)
    report = Report(full=opener is not None, tenants=len(chosen))
    wrong: list[WrongKey] = []
    for tenant in chosen:
        vault = None
        if opener is not None:
            vault = _open(opener, tenant, report, wrong, every_tenant=root is not None)
        keys = vault.keys if vault else None
        check_keys(repository.backend, tenant, keys, root, report.findings)
        _Tenant(repository, tenant, vault, report).check(mailbox)
    if wrong and len(wrong) == len(chosen):
        raise wrong[0]
    return report


def _opener(
    repository: Repository, root: KeyWrapper | None, passphrase: str | None
) -> Callable[[UUID], Vault] | None:
    if root is not None:
        return lambda tenant: repository.escrowed_vault(tenant, root)
    if passphrase is not None:
        return lambda tenant: repository.recovered_vault(tenant, passphrase)
    return None


def _open(
    opener: Callable[[UUID], Vault],
    tenant: UUID,
    report: Report,
    wrong: list[WrongKey],
    *,
    every_tenant: bool,
) -> Vault | None:
    """``every_tenant``: the key should open all; a passphrase is one tenant's."""
    try:
        return opener(tenant)
    except Unavailable:
        raise
    except KeyDestroyed:
        return None
    except RepositoryError as error:
        if isinstance(error, WrongKey):
            wrong.append(error)
        if isinstance(error, WrongKey) and not every_tenant:
            return None
        report.findings.append(finding_of(error, layout.keys_prefix(tenant)))
        return None


class _Tenant:
    """The check of one tenant's share."""

    def __init__(
        self, repository: Repository, tenant: UUID, vault: Vault | None, report: Report
    ) -> None:
        self._backend = repository.backend
        self._tenant = tenant
        self._vault = vault
        self._report = report
        self._index: dict[bytes, Location] = {}
        self._segments: set[bytes] = set()
        """Hashes of those that were read."""

    def check(self, mailbox: UUID | None) -> None:
        destroyed = self._destroyed()
        self._report.destroyed += destroyed.values()
        for key in self._backend.list(layout.tenant_prefix(self._tenant)):
            if (pack := layout.pack_of(key)) is not None:
                self._pack(key, pack)
            elif (segment := layout.segment_of(key)) is not None:
                self._segment(key, segment[1])
            elif (number := layout.dictionary_of(key)) is not None:
                self._dictionary(key, number)
            elif not layout.is_known(key):
                self._report.unknown.append(key)
        for one in self._mailboxes():
            if mailbox in (None, one) and one not in destroyed:
                self._report.mailboxes += 1
                self._mailbox(one)

    def _destroyed(self) -> dict[UUID | None, Destruction]:
        try:
            return destructions(self._backend, self._tenant)
        except Damaged as error:
            self._report.findings.append(finding_of(error, error.key))
            return {}

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
        return sorted(found.union(self._vault.mailboxes() if self._vault else ()))

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
            self._index_readable(pack)
            return
        self._report.packs += 1
        self._report.blobs += len(headers)
        self._index_readable(pack)

    def _index_readable(self, pack: str) -> None:
        """Even a damaged pack is asked for its blobs: what it costs is named item by item."""
        if self._vault is None:
            return
        try:
            entries = self._vault.read_pack(pack).blobs
        except (Unreadable, NotFound):
            return  # already a finding; its items will be missing blobs
        self._index.update((i, Location(pack, offset, n)) for i, offset, n in entries)

    def _mailbox(self, mailbox: UUID) -> None:
        if self._vault is None:
            self._numbers(mailbox)
            return
        retained = Retained()
        prefix = layout.commits_prefix(self._tenant, mailbox)
        with found_in(prefix, self._report.findings, mailbox):
            for commit, versions in self._chain(mailbox, self._vault):
                self._report.commits += 1
                if commit.checkpoint is not None:
                    self._checkpoint(commit.checkpoint, mailbox)
                if versions is not None and commit.checkpoint is not None:
                    retained.begin(commit.checkpoint.points, versions)
                else:
                    retained.apply(commit)
        # What was wrong with the chain is a finding by now; its readable part is gone through.
        try:
            for commit, versions in self._chain(mailbox, self._vault):
                if versions is None:
                    versions = ((commit.sequence, None, item) for item in commit.items)
                self._items(mailbox, versions, retained, self._vault)
        except Unavailable:
            raise
        except RepositoryError:
            return

    def _chain(
        self, mailbox: UUID, vault: Vault
    ) -> Iterator[tuple[Commit, Iterable[tuple[int, int | None, ItemRecord]] | None]]:
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
                self._report.findings.append(Finding(name, "missing", mailbox))
            expected = sequence + 1
            self._report.commits += 1

    def _items(
        self,
        mailbox: UUID,
        versions: Iterable[tuple[int, int | None, ItemRecord]],
        retained: Retained,
        vault: Vault,
    ) -> None:
        """Those that are needed are read; the parts of others may be collected by now."""
        locate = located(self._index)
        for first, _, item in versions:
            if not retained.needs(item.item_id, first):
                continue
            try:
                content = vault.read_item(item.recipe, item.blobs, item.sha256, locate)
                if len(content) != item.size:
                    raise Damaged("item", f"has {len(content)} bytes instead of {item.size}")
            except Unreadable as error:
                point = retained.first_point(item.item_id, first)
                finding = Finding(error.key, error.reason, mailbox, point, item.item_id)
                self._report.findings.append(finding)
            else:
                self._report.items += 1
                self._report.bytes += len(content)
