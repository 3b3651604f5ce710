"""Checking a repository: every object by itself, and with the keys every item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from . import layout, packs
from .chain import StoredCommit
from .commits import CommitKind
from .errors import Damaged, NotFound, RepositoryError, Unavailable, Unreadable, WrongKey
from .keys import RootKey
from .packs import Location
from .repository import Repository
from .vault import Vault
from .writer import located


@dataclass(frozen=True, slots=True)
class Finding:
    """``object`` names what is damaged; the others say what that means to whom, where known."""

    object: str
    reason: str
    mailbox: UUID | None = None
    point: int | None = None
    """The first restore point that needs it."""
    item: str | None = None


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


def check(
    repository: Repository,
    root: RootKey | None,
    *,
    tenants: list[UUID] | None = None,
    mailbox: UUID | None = None,
) -> Report:
    """Never stops at damage. Raises Unavailable, and WrongKey when the root key opens nothing."""
    chosen = repository.tenants() if tenants is None else tenants
    report = Report(full=root is not None, tenants=len(chosen))
    wrong: list[WrongKey] = []
    for tenant in chosen:
        vault = _open(repository, tenant, root, report, wrong)
        _Tenant(repository, tenant, vault, report).check(mailbox)
    if wrong and len(wrong) == len(chosen):
        raise wrong[0]
    return report


def _open(
    repository: Repository,
    tenant: UUID,
    root: RootKey | None,
    report: Report,
    wrong: list[WrongKey],
) -> Vault | None:
    if root is None:
        return None
    try:
        return repository.escrowed_vault(tenant, root)
    except Unavailable:
        raise
    except RepositoryError as error:
        if isinstance(error, WrongKey):
            wrong.append(error)
        report.findings.append(_finding(error, layout.keys_prefix(tenant)))
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

    def check(self, mailbox: UUID | None) -> None:
        for key in self._backend.list(layout.tenant_prefix(self._tenant)):
            if (pack := layout.pack_of(key)) is not None:
                self._pack(key, pack)
            elif not _known(key):
                self._report.unknown.append(key)
        for one in self._mailboxes():
            if mailbox in (None, one):
                self._report.mailboxes += 1
                self._mailbox(one)

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
            self._report.findings.append(_finding(error, key))
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
        except (Damaged, NotFound):
            return  # already a finding; its items will be missing blobs
        self._index.update((i, Location(pack, offset, n)) for i, offset, n in entries)

    def _mailbox(self, mailbox: UUID) -> None:
        if self._vault is None:
            self._numbers(mailbox)
            return
        unfinished: list[Finding] = []
        try:
            for stored in self._vault.commits(mailbox):
                self._report.commits += 1
                unfinished += self._items(stored, self._vault)
                if stored.commit.kind is CommitKind.COMPLETE:
                    point = stored.commit.sequence
                    self._report.findings += (_with_point(f, point) for f in unfinished)
                    unfinished = []
        except Unavailable:
            raise
        except RepositoryError as error:
            prefix = layout.commits_prefix(self._tenant, mailbox)
            self._report.findings.append(_finding(error, prefix, mailbox))
        self._report.findings += unfinished

    def _numbers(self, mailbox: UUID) -> None:
        """Without keys the chain can't be followed, but a gap shows."""
        prefix = layout.commits_prefix(self._tenant, mailbox)
        places = map(layout.commit_of, self._backend.list(prefix))
        expected = 1
        for sequence in sorted(place[1] for place in places if place is not None):
            for missing in range(expected, sequence):
                name = layout.commit_key(self._tenant, mailbox, missing)
                self._report.findings.append(Finding(name, "missing", mailbox))
            expected = sequence + 1
            self._report.commits += 1

    def _items(self, stored: StoredCommit, vault: Vault) -> Iterator[Finding]:
        locate = located(self._index)
        for item in stored.commit.items:
            try:
                content = vault.read_item(item.recipe, item.blobs, item.sha256, locate)
                if len(content) != item.size:
                    raise Damaged("item", f"has {len(content)} bytes instead of {item.size}")
            except Damaged as error:
                yield Finding(error.key, error.reason, stored.commit.mailbox, item=item.item_id)
            else:
                self._report.items += 1
                self._report.bytes += len(content)


def _with_point(finding: Finding, point: int) -> Finding:
    return Finding(finding.object, finding.reason, finding.mailbox, point, finding.item)


def _finding(error: RepositoryError, name: str, mailbox: UUID | None = None) -> Finding:
    if isinstance(error, Unreadable):
        return Finding(error.key, error.reason, mailbox)
    if isinstance(error, NotFound):
        return Finding(error.key, "missing", mailbox)
    return Finding(name, str(error), mailbox)


def _known(key: str) -> bool:
    return (
        layout.commit_of(key) is not None
        or layout.mailbox_key_of(key) is not None
        or layout.tenant_key_of(key) is not None
    )
