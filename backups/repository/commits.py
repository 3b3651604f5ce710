"""Commits as values, and their form on disk (docs/repository-format.md, "Commit")."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from . import fields
from .checkpoints import Checkpoint
from .errors import Damaged, UnsupportedFormat
from .fields import listing, members, number, text
from .records import FaultRecord, FolderRecord, ItemRecord, coverage

VERSION = 1
NO_COMMIT = bytes(fields.HASH)
"""``previous`` of a mailbox's first commit."""
MAX_SEQUENCE = 9_999_999_999


class CommitKind(enum.IntEnum):
    PARTIAL = 0
    """A checkpoint inside a run."""
    COMPLETE = 1
    """A restore point."""
    EXPIRY = 2
    """Takes restore points and item versions back."""
    HOLD = 3
    """Places or lifts a legal hold."""
    VOID = 4
    """Fills a sequence number so that a writer that was given up can't use it any more."""

    @property
    def has_content(self) -> bool:
        """Whether it says what the mailbox holds."""
        return self in (CommitKind.PARTIAL, CommitKind.COMPLETE)


@dataclass(frozen=True, slots=True)
class Expired:
    """What no one may restore any more."""

    points: list[int] = field(default_factory=list)
    """Sequences of restore points."""
    versions: list[tuple[str, int]] = field(default_factory=list)
    """Item id and the commit that brought the version; it is in no point any more."""


@dataclass(frozen=True, slots=True)
class Hold:
    id: UUID
    name: str
    placed: bool
    """False: it is lifted."""


@dataclass(frozen=True, slots=True)
class Base:
    """From where a commit is replayed, and how far that is."""

    checkpoint: int = 0
    """The newest commit before this one that has a checkpoint; 0: there is none."""
    live: int = 0
    """Items that the mailbox held at that checkpoint."""
    named: int = 0
    """Items that were set or removed by the commits since then, this one included."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What one run changed in one mailbox. See docs/repository-format.md for how it is replayed."""

    mailbox: UUID
    sequence: int
    kind: CommitKind
    previous: bytes
    run: UUID
    taken_at: datetime
    folders: list[FolderRecord] = field(default_factory=list)
    removed_folders: list[str] = field(default_factory=list)
    items: list[ItemRecord] = field(default_factory=list, repr=False)
    removed_items: list[str] = field(default_factory=list, repr=False)
    cursors: dict[str, str | None] = field(default_factory=dict, repr=False)
    """Changed cursors only; None drops one."""
    faults: list[FaultRecord] = field(default_factory=list)
    coverage: dict[str, int | str] = field(default_factory=dict)
    expired: Expired | None = None
    """Of an expiry commit, and of no other."""
    hold: Hold | None = None
    """Of a hold commit, and of no other."""
    base: Base = field(default=Base(), compare=False)
    """Set by the chain when it is written."""
    checkpoint: Checkpoint | None = field(default=None, compare=False, repr=False)
    """The mailbox after this commit; set by the chain when it is time for one."""

    @property
    def is_point(self) -> bool:
        return self.kind is CommitKind.COMPLETE


def require_place(commit: Commit) -> None:
    """Raises ValueError."""
    if not 1 <= commit.sequence <= MAX_SEQUENCE or len(commit.previous) != len(NO_COMMIT):
        raise ValueError(f"commit {commit.sequence} has no valid place in a chain")


def encode(commit: Commit) -> bytes:
    """Raises ValueError on what can't be stored, such as a datetime without zone."""
    require_place(commit)
    _require_members_of_kind(commit.kind, commit.expired, commit.hold)
    return fields.pack(
        {
            "version": VERSION,
            "mailbox": commit.mailbox.bytes,
            "sequence": commit.sequence,
            "kind": int(commit.kind),
            "previous": commit.previous,
            "base": [commit.base.checkpoint, commit.base.live, commit.base.named],
            "run": commit.run.bytes,
            "taken_at": commit.taken_at,
            "folders": [folder.to_record() for folder in commit.folders],
            "removed_folders": commit.removed_folders,
            "items": [item.to_record() for item in commit.items],
            "removed_items": commit.removed_items,
            "cursors": commit.cursors,
            "faults": [fault.to_record() for fault in commit.faults],
            "coverage": commit.coverage,
            "expired": _expired_record(commit.expired),
            "hold": _hold_record(commit.hold),
            "checkpoint": commit.checkpoint.to_record() if commit.checkpoint else None,
        }
    )


_MEMBERS = (
    "version", "mailbox", "sequence", "kind", "previous", "base", "run", "taken_at", "folders",
    "removed_folders", "items", "removed_items", "cursors", "faults", "coverage", "expired",
    "hold", "checkpoint",
)  # fmt: skip


def decode(content: bytes, name: str) -> Commit:
    """Raises Damaged and UnsupportedFormat, naming ``name``."""
    try:
        unpacked = fields.mapping(fields.unpack(content))
        version = number(unpacked["version"])
        if version > VERSION:
            reason = f"commit version {version}, this version reads {VERSION}"
            raise UnsupportedFormat(name, reason)
        if version != VERSION:
            raise ValueError(f"version {version}")
        return _commit(members(unpacked, _MEMBERS))
    except fields.UNREADABLE as error:
        raise Damaged(name, f"is not a commit: {type(error).__name__}: {error}") from error


def _commit(record: dict[str, object]) -> Commit:
    cursors = fields.mapping(record["cursors"])
    commit = Commit(
        mailbox=fields.uuid(record["mailbox"]),
        sequence=number(record["sequence"]),
        kind=CommitKind(number(record["kind"])),
        previous=fields.digest(record["previous"]),
        run=fields.uuid(record["run"]),
        taken_at=fields.moment(record["taken_at"]),
        folders=[FolderRecord.from_record(folder) for folder in listing(record["folders"])],
        removed_folders=[text(i) for i in listing(record["removed_folders"])],
        items=[ItemRecord.from_record(item) for item in listing(record["items"])],
        removed_items=[text(i) for i in listing(record["removed_items"])],
        cursors={text(k): fields.text_or_none(v) for k, v in cursors.items()},
        faults=[FaultRecord.from_record(fault) for fault in listing(record["faults"])],
        coverage=coverage(record["coverage"]),
        expired=_expired(record["expired"]),
        hold=_hold(record["hold"]),
        base=Base(*(number(part) for part in listing(record["base"]))),
        checkpoint=_checkpoint(record["checkpoint"]),
    )
    _require_members_of_kind(commit.kind, commit.expired, commit.hold)
    if commit.base.checkpoint >= commit.sequence:
        raise ValueError("its base is not before it")
    return commit


def _checkpoint(record: object) -> Checkpoint | None:
    return None if record is None else Checkpoint.from_record(record)


def _require_members_of_kind(kind: CommitKind, expired: Expired | None, hold: Hold | None) -> None:
    if (expired is not None) != (kind is CommitKind.EXPIRY):
        raise ValueError("an expiry commit, and no other, says what has expired")
    if (hold is not None) != (kind is CommitKind.HOLD):
        raise ValueError("a hold commit, and no other, has a hold")


def _expired_record(expired: Expired | None) -> object:
    if expired is None:
        return None
    return {"points": expired.points, "versions": [list(v) for v in expired.versions]}


def _expired(record: object) -> Expired | None:
    if record is None:
        return None
    expired = members(record, ("points", "versions"))
    versions = []
    for version in listing(expired["versions"]):
        item_id, first = listing(version)
        versions.append((text(item_id), number(first)))
    return Expired([number(point) for point in listing(expired["points"])], versions)


def _hold_record(hold: Hold | None) -> object:
    return hold and {"id": hold.id.bytes, "name": hold.name, "placed": hold.placed}


def _hold(record: object) -> Hold | None:
    if record is None:
        return None
    hold = members(record, ("id", "name", "placed"))
    if not isinstance(hold["placed"], bool):
        raise TypeError("placed is neither true nor false")
    return Hold(fields.uuid(hold["id"]), text(hold["name"]), hold["placed"])
