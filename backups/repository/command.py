"""``python -m backups.repository``: read a repository with nothing but its folder and a key.

Reads only. Exit status: 0 all is well; 1 damage was found, or the work could not be finished;
2 wrong usage, no such repository, or the key does not fit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID

from . import browse, layout, sampling
from .check import check
from .destruction import Destruction, destructions
from .errors import (
    Damaged,
    KeyDestroyed,
    NotARepository,
    NotFound,
    RepositoryError,
    RootKeyError,
    Unreadable,
    UnsupportedFormat,
    UnusablePlace,
    WrongKey,
)
from .export import Export
from .findings import lines_of
from .keys import RootKey, read_private
from .packs import Location
from .place import open_backend
from .progress import Progress
from .records import Point
from .repository import Repository
from .state import MailboxState
from .vault import Vault
from .verify import Scope
from .writer import Locate, located

OK, DAMAGE, USAGE = 0, 1, 2

P = ParamSpec("P")
T = TypeVar("T")


class UsageError(Exception):
    """What was asked for makes no sense here; the message says why."""


WRONG_USAGE = (
    UsageError,
    browse.NoSuchPoint,
    NotARepository,
    RootKeyError,
    UnusablePlace,
    WrongKey,
)


class Session:
    """The repository, what was asked for, and the place for answers."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.repository = Repository.open(open_backend(arguments.path))
        file = arguments.root_key_file
        self.root = RootKey.from_file(file) if file is not None else None
        file = arguments.recovery_passphrase_file
        self.passphrase = read_passphrase(file) if file is not None else None
        self.damaged = False
        self.progress = Progress()
        self._index: dict[bytes, Location] = {}
        self._indexed: UUID | None = None

    def destroyed(self, vault: Vault) -> dict[UUID | None, Destruction]:
        backend = self.repository.backend
        found = self._attempt(destructions, backend, vault.tenant)
        return next(iter(found), {})

    @property
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
                yield from self._attempt(self.repository.escrowed_vault, tenant, self.root)
        elif self.passphrase is not None:
            yield from self._recovered(self.passphrase)
        else:
            raise UsageError("this needs --root-key-file or --recovery-passphrase-file")

    def _recovered(self, passphrase: str) -> Iterator[Vault]:
        """Of the tenants whose passphrase it is; the others are passed over."""
        closed: list[RepositoryError] = []
        found = False
        for tenant in self.tenants:
            try:
                for vault in self._attempt(self.repository.recovered_vault, tenant, passphrase):
                    found = True
                    yield vault
            except WrongKey as error:
                closed.append(error)
        if closed and not found:
            raise closed[0]

    def mailboxes(self) -> Iterator[tuple[Vault, UUID]]:
        chosen = self.arguments.mailbox
        found = False
        for vault in self.vaults():
            destroyed = self.destroyed(vault)
            for mailbox in vault.mailboxes():
                if chosen not in (None, mailbox):
                    continue
                found = True
                if mailbox in destroyed:
                    warn(f"mailbox {mailbox}: its key was destroyed on request")
                else:
                    yield vault, mailbox
        if chosen is not None and not found:
            raise UsageError(f"there is no mailbox {chosen} in this repository")

    def states(self) -> Iterator[tuple[Vault, UUID, MailboxState]]:
        """Each mailbox at the point that was asked for; those without one are named."""
        point = self.arguments.point
        if point is not None and self.arguments.mailbox is None:
            raise UsageError("--point N needs --mailbox: each mailbox counts its own points")
        for vault, mailbox in self.mailboxes():
            for state in self._attempt(browse.state_at, vault, mailbox, point):
                if state is None:
                    warn(f"mailbox {mailbox}: no restore point yet")
                else:
                    yield vault, mailbox, state

    def points(self) -> Iterator[tuple[Vault, UUID, list[Point]]]:
        for vault, mailbox in self.mailboxes():
            for found in self._attempt(browse.points, vault, mailbox):
                yield vault, mailbox, found

    def locate(self, vault: Vault) -> Locate:
        """From the packs of the tenant; those that are damaged are named."""
        if self._indexed != vault.tenant:
            damaged: list[Unreadable] = []
            self._index = vault.pack_index(damaged)
            self._indexed = vault.tenant
            for error in damaged:
                self._damage(error)
        return located(self._index)

    def _attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """What ``read`` gives, or nothing: damage is named and does not stop the rest."""
        try:
            yield read(*args, **kwargs)
        except KeyDestroyed as error:
            warn(str(error))
        except (Damaged, NotFound, UnsupportedFormat) as error:
            self._damage(error)

    def _damage(self, error: RepositoryError) -> None:
        self.progress.clear()
        warn(str(error))
        self.damaged = True

    def answer(self, value: object, text: Sequence[str]) -> None:
        """``value`` with --json, else the lines of ``text``."""
        self.progress.clear()
        if self.arguments.json:
            sys.stdout.write(json.dumps(value, default=_plain, indent=2) + "\n")
        else:
            sys.stdout.writelines(f"{printable(line)}\n" for line in text)


def read_passphrase(file: Path) -> str:
    """The first line of a file. Raises RootKeyError when others may read it, or it is no text."""
    try:
        return read_private(file).decode().partition("\n")[0].removesuffix("\r")
    except UnicodeDecodeError as error:
        raise RootKeyError(f"{file}: not UTF-8: {error}") from error


def info(session: Session) -> int:
    repository = session.repository
    counts = {}
    for tenant in session.tenants:
        packs = list(repository.backend.list(layout.packs_prefix(tenant)))
        counts[str(tenant)] = {
            "packs": len(packs),
            "bytes": sum(repository.backend.size(key) for key in packs),
            "commits": sum(1 for _ in repository.backend.list(layout.commits_prefix(tenant))),
        }
    value = {"repository": str(repository.id), "format": layout.FORMAT, "tenants": counts}
    text = [f"repository {repository.id}, format {layout.FORMAT}, {len(counts)} tenants"]
    for name, count in counts.items():
        packs_, size, commits = count["packs"], count["bytes"], count["commits"]
        text.append(f"tenant {name}: {packs_} packs, {size} bytes, {commits} commits")
    session.answer(value, text)
    return OK


def mailboxes(session: Session) -> int:
    rows = []
    for vault, mailbox, found in session.points():
        row: dict[str, object] = {"tenant": vault.tenant, "mailbox": mailbox, "points": len(found)}
        if found:
            row |= {"latest": found[-1].sequence, "taken_at": found[-1].taken_at}
            row |= {"items": found[-1].items, "bytes": found[-1].bytes}
            row |= {"coverage": found[-1].coverage}
        rows.append(row)
    keys = ("mailbox", "points", "latest", "taken_at", "items", "bytes")
    session.answer(rows, _table(keys, rows))
    return OK


def points(session: Session) -> int:
    rows = [
        {"tenant": vault.tenant, "mailbox": mailbox, **asdict(point)}
        for vault, mailbox, found in session.points()
        for point in found
    ]
    keys = ("mailbox", "sequence", "taken_at", "items", "bytes", "faults")
    session.answer(rows, _table(keys, rows))
    return OK


def ls(session: Session) -> int:
    rows = [
        {
            "mailbox": mailbox,
            "folder": browse.folder_path(state, item.folder_id),
            "folder_id": item.folder_id,
            "item_id": item.item_id,
            "item_class": item.item_class,
            "size": item.size,
            "subject": item.index.get("subject"),
        }
        for _, mailbox, state in session.states()
        for item in state.items.values()
    ]
    keys = ("mailbox", "folder", "item_id", "item_class", "size", "subject")
    session.answer(rows, _table(keys, rows))
    return OK


def cat(session: Session) -> int:
    if session.arguments.mailbox is None or session.arguments.item is None:
        raise UsageError("cat needs --mailbox and --item")
    for vault, mailbox, state in session.states():
        item = state.items.get(session.arguments.item)
        if item is None:
            raise UsageError(f"mailbox {mailbox} has no item {session.arguments.item} there")
        locate = session.locate(vault)
        content = vault.read_item(item.recipe, item.blobs, item.sha256, locate)
        sys.stdout.buffer.write(content)
    return OK


def export(session: Session) -> int:
    if session.arguments.to is None:
        raise UsageError("export needs --to")
    failed: list[dict[str, str]] = []
    count = 0
    with Export(session.arguments.to) as target:
        for vault, mailbox, state in session.states():
            count += 1
            locate = session.locate(vault)

            def progress(number: int, total: int, nth: int = count) -> None:
                session.progress.show(f"mailbox {nth}: item {number:,} of {total:,}")

            for item, error in target.mailbox(vault, mailbox, state, locate, progress):
                session.progress.clear()
                warn(f"mailbox {mailbox}, item {item.item_id}: {error}")
                failed.append({"mailbox": str(mailbox), "item_id": item.item_id} | _named(error))
        value = {"mailboxes": count, "items": target.items, "bytes": target.bytes}
    summary = f"{count} mailboxes, {value['items']} items, {value['bytes']} bytes"
    session.answer(value | {"failed": failed}, [f"{summary}, {len(failed)} items unreadable"])
    return DAMAGE if failed else OK


def check_all(session: Session) -> int:
    return _check(session, Scope(mailbox=session.arguments.mailbox))


def verify(session: Session) -> int:
    """As check, or of the items a sample."""
    is_keyless = session.root is None and session.passphrase is None
    if is_keyless and sampling.is_sample(session.arguments):
        raise UsageError("a sample of items can't be read without a key")
    return _check(session, sampling.scope_of(session.arguments))


def _check(session: Session, scope: Scope) -> int:
    report = check(
        session.repository,
        session.root,
        passphrase=session.passphrase,
        tenants=session.tenants,
        scope=scope,
        progress=lambda so_far: session.progress.show(
            f"{so_far.packs:,} packs, {so_far.commits:,} commits, {so_far.items:,} items checked; "
            f"{len(so_far.findings):,} findings"
        ),
    )
    session.answer(asdict(report), list(lines_of(report)))
    return DAMAGE if report.findings else OK


def _named(error: Unreadable) -> dict[str, str]:
    return {"object": error.key, "reason": error.reason}


def _table(keys: Sequence[str], rows: Sequence[dict[str, object]]) -> list[str]:
    return ["\t".join(str(_plain_or_same(row.get(key, ""))) for key in keys) for row in rows]


def _plain_or_same(value: object) -> object:
    return _plain(value) if isinstance(value, UUID | datetime) else value


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def printable(line: str) -> str:
    """Names and subjects come from strangers; a terminal must not obey them."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def warn(message: str) -> None:
    sys.stderr.write(f"{printable(message)}\n")


COMMANDS: dict[str, tuple[Callable[[Session], int], str]] = {
    "info": (info, "what is in the repository; needs no key"),
    "mailboxes": (mailboxes, "mailboxes and their latest restore point"),
    "points": (points, "restore points"),
    "ls": (ls, "items at a restore point"),
    "cat": (cat, "the bytes of one item, on standard output"),
    "export": (export, "every item at a restore point as a file, with a manifest"),
    "check": (check_all, "verify every object; with a key also every item"),
    "verify": (verify, "as check, or of the items a sample"),
}


def _point(text: str) -> int | None:
    return None if text == "latest" else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backups.repository", description="Read a Stowage repository."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, explanation) in COMMANDS.items():
        command = commands.add_parser(name, help=explanation, description=explanation)
        command.add_argument("path", metavar="PATH-OR-URL", help="where the repository is")
        key = command.add_mutually_exclusive_group()
        key.add_argument("--root-key-file", type=Path, metavar="F")
        key.add_argument("--recovery-passphrase-file", type=Path, metavar="F")
        command.add_argument("--tenant", type=UUID, metavar="T")
        command.add_argument("--mailbox", type=UUID, metavar="M")
        command.add_argument("--point", type=_point, default=None, metavar="latest|N")
        command.add_argument("--json", action="store_true")
        if name == "cat":
            command.add_argument("--item", metavar="ID")
        if name == "verify":
            sampling.add_arguments(command)
        if name == "export":
            command.add_argument("--to", type=Path, metavar="DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        session = Session(arguments)
        status = COMMANDS[arguments.command][0](session)
        return DAMAGE if session.damaged else status
    except BrokenPipeError:
        return DAMAGE
    except WRONG_USAGE as error:
        warn(f"{arguments.path}: {error}")
        return USAGE
    except RepositoryError as error:
        warn(f"{arguments.path}: {error}")
        return DAMAGE
