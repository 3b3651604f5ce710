"""How an item is put together from its parts.

An item (the native stream as the server exported it, or a MIME message) is stored as *parts*:
large values such as attachments and bodies, which many items share, and the *skeleton*, which is
everything else. The *recipe* says how the exact bytes come back. This module is the only thing
that the room which cuts (``backups.streams``) and the room which stores
(``backups.repository``) both know; it imports neither.

The wire form of a recipe is part of the repository format (docs/repository-format.md).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_PART = 4 * 1024 * 1024
"""A part never holds more bytes than this; a larger value becomes several parts."""

TRANSFER_BUFFER = 2
"""Operation code of an item stream's TransferBuffer (docs/streams.md)."""

_OPERATION = struct.Struct("<II")


class Layout(enum.IntEnum):
    RAW = 0
    """The bytes are skeleton and parts, nothing between them."""
    FTS = 1
    """As RAW, but after ``prefix`` bytes the result is framed into TransferBuffer operations."""


class Role(enum.StrEnum):
    SKELETON = "skeleton"
    BODY = "body"
    ATTACHMENT = "attachment"


class RecipeError(ValueError):
    """The recipe and the parts do not fit together; says what is wrong, never guesses."""


@dataclass(frozen=True, slots=True)
class Part:
    role: Role
    data: bytes


@dataclass(frozen=True, slots=True)
class Recipe:
    """``skeleton_parts`` leading parts joined are the skeleton; the others fill its holes.

    ``holes`` are (offset in the skeleton, counted after ``prefix``; part number), in order of
    offset; pieces of one large value are consecutive holes at the same offset, and each part
    fills one hole. ``frames`` are (payload bytes, at least 1; how many such buffers in a row),
    in order. So what is joined is never larger than a small multiple of what is stored.
    """

    layout: Layout
    skeleton_parts: int
    prefix: int
    frames: tuple[tuple[int, int], ...]
    holes: tuple[tuple[int, int], ...]

    def to_record(self) -> list[object]:
        """The form that is stored: lists and integers only."""
        return [
            int(self.layout),
            self.skeleton_parts,
            self.prefix,
            [list(frame) for frame in self.frames],
            [list(hole) for hole in self.holes],
        ]

    @classmethod
    def from_record(cls, record: object) -> Recipe:
        """Read what ``to_record`` wrote. Raises RecipeError on anything else."""
        try:
            if not isinstance(record, list | tuple):
                raise TypeError(f"a {type(record).__name__} instead of a list")
            layout, skeleton_parts, prefix, frames, holes = record
            recipe = cls(
                Layout(layout),
                int(skeleton_parts),
                int(prefix),
                tuple((int(size), int(count)) for size, count in frames),
                tuple((int(offset), int(part)) for offset, part in holes),
            )
        except (TypeError, ValueError) as error:
            raise RecipeError(f"not a recipe: {error}") from error
        numbers = [recipe.skeleton_parts, recipe.prefix]
        numbers += [n for pair in (*recipe.frames, *recipe.holes) for n in pair]
        if min(numbers) < 0:
            raise RecipeError("not a recipe: negative number")
        if any(size == 0 for size, _ in recipe.frames):
            raise RecipeError("not a recipe: an empty frame")
        return recipe


@dataclass(frozen=True, slots=True)
class CutItem:
    """An item as its parts. ``join(cut.recipe, [p.data for p in cut.parts])`` is the item."""

    recipe: Recipe
    parts: tuple[Part, ...]


def pieces(data: bytes, size: int = MAX_PART) -> Iterator[bytes]:
    """``data`` in pieces of at most ``size`` bytes; one empty piece for empty data."""
    if len(data) <= size:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]


def join(recipe: Recipe, parts: Sequence[bytes]) -> bytes:
    """The exact bytes of the item. Raises RecipeError when recipe and parts do not fit."""
    if recipe.skeleton_parts > len(parts):
        raise RecipeError(f"recipe wants {recipe.skeleton_parts} skeleton parts, got {len(parts)}")
    skeleton = memoryview(b"".join(parts[: recipe.skeleton_parts]))
    if recipe.prefix > len(skeleton):
        raise RecipeError("the prefix is longer than the skeleton")
    filling = [number for _, number in recipe.holes]
    if len(set(filling)) != len(filling):
        raise RecipeError("a part fills more than one hole")
    content = _fill(skeleton[recipe.prefix :], recipe.holes, parts)
    if recipe.layout is Layout.RAW:
        return bytes(skeleton[: recipe.prefix]) + content
    return b"".join(_frame(bytes(skeleton[: recipe.prefix]), content, recipe.frames))


def _fill(
    skeleton: memoryview, holes: tuple[tuple[int, int], ...], parts: Sequence[bytes]
) -> bytes:
    pieces_: list[bytes | memoryview] = []
    position = 0
    for offset, number in holes:
        if not position <= offset <= len(skeleton):
            raise RecipeError(f"hole at {offset} is out of order or beyond the skeleton")
        if number >= len(parts):
            raise RecipeError(f"hole at {offset} wants part {number}, there are {len(parts)}")
        pieces_ += (skeleton[position:offset], parts[number])
        position = offset
    pieces_.append(skeleton[position:])
    return b"".join(pieces_)


def _frame(
    prefix: bytes, content: bytes, frames: tuple[tuple[int, int], ...]
) -> Iterator[bytes | memoryview]:
    total = sum(size * count for size, count in frames)
    if total != len(content) or any(size == 0 for size, _ in frames):
        raise RecipeError(f"frames hold {total} bytes, the content has {len(content)}")
    yield prefix
    view = memoryview(content)
    position = 0
    for size, count in frames:
        header = _OPERATION.pack(TRANSFER_BUFFER, size)
        for _ in range(count):
            yield header
            yield view[position : position + size]
            position += size
