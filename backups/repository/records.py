"""What commits and checkpoints are made of (docs/repository-format.md, "Commit"), and its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from backups.parts import Recipe

from . import fields
from .blobs import BlobRef, pack_refs, unpack_refs
from .errors import Damaged, UnsupportedFormat
from .fields import listing, mapping, number, octets, text, text_or_none

REFERENCES_VERSION = 1


@dataclass(frozen=True, slots=True)
class FolderRecord:
    id: str
    parent_id: str | None
    name: str
    kind: str
    well_known: str | None

    def to_record(self) -> list[object]:
        return [self.id, self.parent_id, self.name, self.kind, self.well_known]

    @classmethod
    def from_record(cls, record: object) -> FolderRecord:
        """Raises one of ``fields.UNREADABLE``, as all of these do."""
        folder_id, parent_id, name, kind, well_known = listing(record)
        return cls(
            text(folder_id),
            text_or_none(parent_id),
            text(name),
            text(kind),
            text_or_none(well_known),
        )


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

    def to_record(self) -> list[object]:
        return [
            self.item_id,
            self.change_key,
            self.folder_id,
            self.item_class,
            self.size,
            self.sha256,
            self.recipe.to_record(),
            pack_refs(self.blobs),
            dict(self.index),
        ]

    @classmethod
    def from_record(cls, record: object) -> ItemRecord:
        item_id, change_key, folder_id, item_class, size, sha256, recipe, refs, index = listing(
            record
        )
        return cls(
            item_id=text(item_id),
            change_key=text(change_key),
            folder_id=text(folder_id),
            item_class=text(item_class),
            size=number(size),
            sha256=fields.digest(sha256),
            recipe=Recipe.from_record(recipe),
            blobs=unpack_refs(octets(refs)),
            index={text(key): value for key, value in mapping(index).items()},
        )


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """An item that could not be backed up, and is to be tried again."""

    folder_id: str
    item_id: str
    reason: str
    attempts: int

    def to_record(self) -> list[object]:
        return [self.folder_id, self.item_id, self.reason, self.attempts]

    @classmethod
    def from_record(cls, record: object) -> FaultRecord:
        folder_id, item_id, reason, attempts = listing(record)
        return cls(text(folder_id), text(item_id), text(reason), number(attempts))


@dataclass(frozen=True, slots=True)
class Point:
    """A restore point: a complete commit, and how much the mailbox held after it."""

    sequence: int
    taken_at: datetime
    run: UUID
    items: int
    bytes: int
    faults: int
    coverage: dict[str, int | str]

    def to_record(self) -> list[object]:
        counts = [self.items, self.bytes, self.faults]
        return [self.sequence, self.taken_at, self.run.bytes, *counts, self.coverage]

    @classmethod
    def from_record(cls, record: object) -> Point:
        sequence, taken_at, run, items, size, faults, looked_at = listing(record)
        return cls(
            number(sequence),
            fields.moment(taken_at),
            fields.uuid(run),
            number(items),
            number(size),
            number(faults),
            coverage(looked_at),
        )


def coverage(record: object) -> dict[str, int | str]:
    return {text(key): fields.text_or_number(value) for key, value in mapping(record).items()}


def encode_references(recipe: Recipe, refs: tuple[BlobRef, ...]) -> bytes:
    """How one item comes back, for a place that seals it with the mailbox key."""
    return fields.pack([REFERENCES_VERSION, recipe.to_record(), pack_refs(refs)])


def decode_references(content: bytes) -> tuple[Recipe, tuple[BlobRef, ...]]:
    """Raises Damaged and UnsupportedFormat."""
    name = "references"
    try:
        recipe, refs = _open_references(content, name)
        return Recipe.from_record(recipe), unpack_refs(refs)
    except fields.UNREADABLE as error:
        raise Damaged(name, f"can't be read: {error}") from error


def referenced_ids(content: bytes) -> list[bytes]:
    """Ids of the blobs alone, for whoever asks what is needed. Raises as ``decode_references``."""
    name = "references"
    try:
        return [ref.id for ref in unpack_refs(_open_references(content, name)[1])]
    except fields.UNREADABLE as error:
        raise Damaged(name, f"can't be read: {error}") from error


def _open_references(content: bytes, name: str) -> tuple[object, bytes]:
    version, recipe, refs = listing(fields.unpack(content))
    if number(version) > REFERENCES_VERSION:
        reason = f"version {version}, this version reads {REFERENCES_VERSION}"
        raise UnsupportedFormat(name, reason)
    return recipe, octets(refs)
