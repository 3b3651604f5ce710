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
    ItemRecord,
    KeyDestroyed,
    Locate,
    Location,
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
    located,
)
from backups.repository.place import open_backend
from backups.repository.recovery import read_passphrase
from backups.standalone.output import warn
from backups.standalone.progress import Progress
from backups.standalone.status import UsageError
from backups.standalone.views import Points, View, address_of, view_of

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
        self.repository = Repository.open(open_backend(arguments.path))
        self.damaged = False
        self.progress = Progress(quiet=arguments.json)
        self._index: dict[bytes, Location] = {}
        self._indexed: UUID | None = None

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

    def points(self) -> Iterator[Points]:
        for vault, mailbox in self.mailboxes():
            for found in self.attempt(browse.points, vault, mailbox):
                yield Points(vault.tenant, mailbox, found)

    def views(self, pinned: dict[UUID, int] | None = None) -> Iterator[View]:
        """Each mailbox at the point that was asked for; those without one are named.

        ``pinned``: the points to take, instead, of the mailboxes that it has.
        """
        point = self.arguments.point
        if point is not None and self.arguments.mailbox is None:
            raise UsageError("--point N needs --mailbox: each mailbox counts its own points")
        for vault, mailbox in self.mailboxes():
            wanted = (pinned or {}).get(mailbox, point)
            for state in self.attempt(browse.state_at, vault, mailbox, wanted):
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
