"""The repository that a command was given, what opens it, and what of it was chosen."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import ParamSpec, TypeVar
from uuid import UUID

from backups.repository import (
    Damaged,
    Destruction,
    FolderBackend,
    ItemRecord,
    KeyDestroyed,
    Locate,
    Location,
    NotARepository,
    NotFound,
    Repository,
    RepositoryError,
    RootKey,
    Unreadable,
    UnsupportedFormat,
    Vault,
    WrongKey,
    browse,
    destructions,
    layout,
    located,
)
from backups.repository.place import open_backend
from backups.repository.recovery import read_passphrase
from backups.standalone.index import Index
from backups.standalone.indexed import Indexed
from backups.standalone.output import warn
from backups.standalone.progress import Progress
from backups.standalone.status import UsageError
from backups.standalone.views import Points, View, address_of, view_of
from backups.standalone.wanted import Wanted

P = ParamSpec("P")
T = TypeVar("T")


class Session:
    """Damage is named on standard error, remembered, and does not stop the rest."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        file = arguments.root_key_file
        self.root = RootKey.from_file(file) if file is not None else None
        file = arguments.recovery_passphrase_file
        self.passphrase = read_passphrase(file) if file is not None else None
        self.repository = _open(arguments.path)
        self.damaged = False
        self.progress = Progress(quiet=arguments.json)
        self._index: dict[bytes, Location] = {}
        self._indexed: UUID | None = None
        self._opened: dict[UUID, Vault] = {}

    @property
    def has_key(self) -> bool:
        return self.root is not None or self.passphrase is not None

    @cached_property
    def tenants(self) -> list[UUID]:
        present = self.repository.tenants()
        chosen = self.arguments.tenant
        if chosen is None:
            return present
        if chosen not in present:
            raise UsageError(f"there is no tenant {chosen} in this repository")
        return [chosen]

    def vaults(self) -> Iterator[Vault]:
        if self.root is not None:
            for tenant in self.tenants:
                yield from self.attempt(self.repository.escrowed_vault, tenant, self.root)
        elif self.passphrase is not None:
            yield from self._recovered
        else:
            raise UsageError("this needs --root-key-file F or --recovery-passphrase-file F")

    @cached_property
    def _recovered(self) -> list[Vault]:
        """Of the tenants whose passphrase it is; the others are passed over."""
        closed: list[RepositoryError] = []
        opened: list[Vault] = []
        for tenant in self.tenants:
            try:
                opened += self.attempt(
                    self.repository.recovered_vault, tenant, self.passphrase or ""
                )
            except WrongKey as error:
                closed.append(error)
        if closed and not opened:
            raise closed[0]
        return opened

    def mailboxes(self) -> Iterator[tuple[Vault, UUID]]:
        """Those that were chosen, by their id or by the address they had last."""
        chosen = self.arguments.mailbox
        found = False
        for vault in self.vaults():
            destroyed = next(
                iter(self.attempt(destructions, self.repository.backend, vault.tenant)),
                dict[UUID | None, Destruction](),
            )
            for mailbox in vault.mailboxes():
                is_destroyed = mailbox in destroyed
                if not self._is_chosen(vault, mailbox, readable=not is_destroyed):
                    continue
                found = True
                if is_destroyed:
                    self.remark(f"mailbox {mailbox}: its key was destroyed on request")
                else:
                    yield vault, mailbox
        if chosen is not None and not found:
            raise UsageError(f"there is no mailbox {chosen} in this repository")

    @cached_property
    def indexed(self) -> Indexed | None:
        """What is asked instead of the commits, where an index is given."""
        file = getattr(self.arguments, "index", None)
        if file is None:
            return None
        return Indexed(Index(file, self.repository.id), self._vault_of)

    def points(self) -> Iterator[Points]:
        if self.indexed is not None:
            yield from self._indexed_points(self.indexed)
            return
        for vault, mailbox in self.mailboxes():
            for found in self.attempt(browse.points, vault, mailbox):
                yield Points(vault.tenant, mailbox, found)

    def views(
        self,
        pinned: dict[UUID, int] | None = None,
        wanted: Wanted | None = None,
        *,
        every: bool = False,
    ) -> Iterator[View]:
        """Each mailbox at the point that was asked for; those without one are named.

        ``pinned``: the points to take, instead, of the mailboxes that it has. ``wanted`` narrows
        what an index gives, and ``every`` makes it give all points.
        """
        point = self.arguments.point
        if point is not None and self.arguments.mailbox is None:
            raise UsageError("--point N needs --mailbox: each mailbox counts its own points")
        if self.indexed is not None:
            for of in self._indexed_points(self.indexed):
                at = (pinned or {}).get(of.mailbox, point)
                yield from self.indexed.views(of, at, wanted or Wanted(), every=every)
            return
        for vault, mailbox in self.mailboxes():
            at = (pinned or {}).get(mailbox, point)
            for state in self.attempt(browse.state_at, vault, mailbox, at):
                if state is None:
                    self.remark(f"mailbox {mailbox}: no restore point yet")
                else:
                    yield view_of(vault, mailbox, state, self._reader(vault))

    def locate(self, vault: Vault) -> Locate:
        """From the packs of the tenant; those that are damaged are named."""
        if self._indexed != vault.tenant:
            damaged: list[Unreadable] = []
            meter = self.progress.meter("where everything is", unit="packs")
            self._index = vault.pack_index(damaged, meter.step)
            self._indexed = vault.tenant
            for error in damaged:
                self.damage(error)
        return located(self._index)

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """What ``read`` gives, or nothing: damage is named and does not stop the rest."""
        try:
            yield read(*args, **kwargs)
        except KeyDestroyed as error:
            self.remark(str(error))
        except (Damaged, NotFound, UnsupportedFormat) as error:
            self.damage(error)

    def damage(self, error: RepositoryError, where: str = "") -> None:
        self.remark(f"{where}: {error}" if where else str(error))
        self.damaged = True

    def remark(self, message: str) -> None:
        self.progress.clear()
        warn(message)

    def _indexed_points(self, indexed: Indexed) -> Iterator[Points]:
        arguments = self.arguments
        for tenant, mailbox in indexed.mailboxes(arguments.tenant, arguments.mailbox):
            head = indexed.head(mailbox)
            if self.repository.backend.exists(layout.commit_key(tenant, mailbox, head + 1)):
                reason = f"the index ends at commit {head}; rebuild brings it up to date"
                self.remark(f"mailbox {mailbox}: {reason}")
            yield indexed.points(tenant, mailbox)

    def _vault_of(self, tenant: UUID) -> Vault:
        """Raises UsageError where the key at hand does not open it."""
        if tenant not in self._opened:
            self._opened |= {vault.tenant: vault for vault in self.vaults()}
        if tenant not in self._opened:
            raise UsageError(f"the key that was given does not open tenant {tenant}")
        return self._opened[tenant]

    def _reader(self, vault: Vault) -> Callable[[ItemRecord], bytes]:
        def read(item: ItemRecord) -> bytes:
            locate = self.locate(vault)
            return vault.read_item(item.recipe, item.blobs, item.sha256, locate)

        return read

    def _is_chosen(self, vault: Vault, mailbox: UUID, *, readable: bool) -> bool:
        chosen = self.arguments.mailbox
        if isinstance(chosen, str):
            return readable and any(
                chosen.casefold() == address.casefold()
                for address in self.attempt(_last_address, vault, mailbox)
            )
        return chosen in (None, mailbox)


def _open(place: str) -> Repository:
    """Raises NotARepository, naming the repositories in the folder where it is one of those."""
    backend = open_backend(place)
    try:
        return Repository.open(backend)
    except NotARepository as error:
        if isinstance(backend, FolderBackend):
            markers = sorted(backend.path.glob(f"*/{layout.MARKER}"))
            if markers:
                inside = ", ".join(str(marker.parent) for marker in markers)
                raise NotARepository(f"{error}; in it are: {inside}") from error
        raise


def _last_address(vault: Vault, mailbox: UUID) -> str:
    """As its newest restore point has it. Raises Damaged."""
    for sequence in reversed(vault.sequences(mailbox)):
        stored = vault.read_commit(mailbox, sequence)
        if stored is not None and stored.commit.is_point:
            return str(stored.commit.coverage.get("address", ""))
        if stored is not None and stored.commit.checkpoint is not None:
            points = stored.commit.checkpoint.points
            return address_of(points[-1]) if points else ""
    return ""
