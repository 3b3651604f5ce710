"""Commits as values, and their form on disk (docs/repository-format.md, "Commit")."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgpack

from backups.parts import Recipe, RecipeError

from .blobs import BlobRef, pack_refs, unpack_refs
from .errors import Damaged, UnsupportedFormat

VERSION = 1
NO_COMMIT = bytes(32)
"""``previous`` of a mailbox's first commit."""
MAX_SEQUENCE = 9_999_999_999

_UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    RecipeError,
    msgpack.UnpackException,
)
"""What strange bytes may raise while they are read as a record."""


class CommitKind(enum.IntEnum):
    PARTIAL = 0
    """A checkpoint inside a run."""
    COMPLETE = 1
    """A restore point."""
    EXPIRY = 2
    HOLD = 3
    VOID = 4
    """Fills a sequence number so that a writer that was given up can't use it any more."""


@dataclass(frozen=True, slots=True)
class FolderRecord:
    id: str
    parent_id: str | None
    name: str
    kind: str
    well_known: str | None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    item_id: str
    change_key: str
    folder_id: str
    item_class: str
    size: int
    sha256: bytes
    recipe: Recipe
    blobs: tuple[BlobRef, ...] = field(repr=False)
    index: Mapping[str, object] = field(repr=False)
    """What the catalog knows of the item; msgpack values and aware datetimes."""


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """An item that could not be backed up, and is to be tried again."""

    folder_id: str
    item_id: str
    reason: str
    attempts: int


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


def encode(commit: Commit) -> bytes:
    """Raises ValueError on what can't be stored, such as a datetime without zone."""
    if not 1 <= commit.sequence <= MAX_SEQUENCE or len(commit.previous) != len(NO_COMMIT):
        raise ValueError(f"commit {commit.sequence} has no valid place in a chain")
    record = {
        "version": VERSION,
        "mailbox": commit.mailbox.bytes,
        "sequence": commit.sequence,
        "kind": int(commit.kind),
        "previous": commit.previous,
        "run": commit.run.bytes,
        "taken_at": commit.taken_at,
        "segments": [],
        "folders": [[f.id, f.parent_id, f.name, f.kind, f.well_known] for f in commit.folders],
        "removed_folders": commit.removed_folders,
        "items": [_item_record(item) for item in commit.items],
        "removed_items": commit.removed_items,
        "cursors": commit.cursors,
        "faults": [[f.folder_id, f.item_id, f.reason, f.attempts] for f in commit.faults],
        "coverage": commit.coverage,
    }
    packed: bytes = msgpack.packb(record, datetime=True, unicode_errors="surrogatepass")
    return packed


def decode(content: bytes, name: str) -> Commit:
    """Raises Damaged and UnsupportedFormat, naming ``name``."""
    try:
        record = _unpack(content)
        version = _number(record["version"])
        if version > VERSION:
            reason = f"commit version {version}, this version reads {VERSION}"
            raise UnsupportedFormat(name, reason)
        if record["segments"]:
            raise UnsupportedFormat(name, "has segments, which this version does not read")
        return _commit(record)
    except _UNREADABLE as error:
        raise Damaged(name, f"is not a commit: {type(error).__name__}: {error}") from error


def encode_references(recipe: Recipe, refs: tuple[BlobRef, ...]) -> bytes:
    """How one item comes back, for a place that seals it with the mailbox key."""
    packed: bytes = msgpack.packb([VERSION, recipe.to_record(), pack_refs(refs)])
    return packed


def decode_references(content: bytes) -> tuple[Recipe, tuple[BlobRef, ...]]:
    """Raises Damaged and UnsupportedFormat."""
    name = "references"
    try:
        version, recipe, refs = msgpack.unpackb(content)
        if version > VERSION:
            raise UnsupportedFormat(name, f"version {version}, this version reads {VERSION}")
        return Recipe.from_record(recipe), unpack_refs(refs)
    except _UNREADABLE as error:
        raise Damaged(name, f"can't be read: {error}") from error


def _unpack(content: bytes) -> dict[str, object]:
    record = msgpack.unpackb(content, timestamp=3, unicode_errors="surrogatepass")
    if not isinstance(record, dict):
        raise TypeError(f"a {type(record).__name__} where a map should be")
    return record


def _item_record(item: ItemRecord) -> list[object]:
    return [
        item.item_id,
        item.change_key,
        item.folder_id,
        item.item_class,
        item.size,
        item.sha256,
        item.recipe.to_record(),
        pack_refs(item.blobs),
        dict(item.index),
    ]


def _commit(record: dict[str, object]) -> Commit:
    taken_at = record["taken_at"]
    if not isinstance(taken_at, datetime):
        raise TypeError("taken_at is not a time")
    previous = _bytes(record["previous"])
    if len(previous) != len(NO_COMMIT):
        raise ValueError("previous is not a hash")
    return Commit(
        mailbox=UUID(bytes=_bytes(record["mailbox"])),
        sequence=_number(record["sequence"]),
        kind=CommitKind(_number(record["kind"])),
        previous=previous,
        run=UUID(bytes=_bytes(record["run"])),
        taken_at=taken_at,
        folders=[_folder(fields) for fields in _list(record["folders"])],
        removed_folders=[_text(i) for i in _list(record["removed_folders"])],
        items=[_item(fields) for fields in _list(record["items"])],
        removed_items=[_text(i) for i in _list(record["removed_items"])],
        cursors={_text(k): _text_or_none(v) for k, v in _map(record["cursors"]).items()},
        faults=[_fault(fields) for fields in _list(record["faults"])],
        coverage={_text(k): _text_or_number(v) for k, v in _map(record["coverage"]).items()},
    )


def _item(record: object) -> ItemRecord:
    item_id, change_key, folder_id, item_class, size, sha256, recipe, refs, index = _list(record)
    if len(_bytes(sha256)) != 32:
        raise ValueError("an item's hash is not a hash")
    return ItemRecord(
        item_id=_text(item_id),
        change_key=_text(change_key),
        folder_id=_text(folder_id),
        item_class=_text(item_class),
        size=_number(size),
        sha256=_bytes(sha256),
        recipe=Recipe.from_record(recipe),
        blobs=unpack_refs(_bytes(refs)),
        index={_text(key): value for key, value in _map(index).items()},
    )


def _folder(record: object) -> FolderRecord:
    folder_id, parent_id, name, kind, well_known = _list(record)
    return FolderRecord(
        _text(folder_id),
        _text_or_none(parent_id),
        _text(name),
        _text(kind),
        _text_or_none(well_known),
    )


def _fault(record: object) -> FaultRecord:
    folder_id, item_id, reason, attempts = _list(record)
    return FaultRecord(_text(folder_id), _text(item_id), _text(reason), _number(attempts))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where text should be")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _text_or_number(value: object) -> str | int:
    return _number(value) if isinstance(value, int) else _text(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} where a number should be")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"a {type(value).__name__} where bytes should be")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a {type(value).__name__} where a list should be")
    return value


def _map(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise TypeError(f"a {type(value).__name__} where a map should be")
    return value
