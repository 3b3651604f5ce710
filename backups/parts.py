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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Final, NamedTuple, overload

import pybase64

MAX_PART: Final = 4 * 1024 * 1024
"""A part never holds more bytes than this; a larger value becomes several parts."""

TRANSFER_BUFFER: Final = 2
"""Operation code of an item stream's TransferBuffer (docs/streams.md)."""

SHORTEST_LINE: Final = 4
LONGEST_LINE: Final = 4096
"""Characters of base64 in a line. With shorter ones the line ends would outgrow the text, longer
ones would be gathered from many parts."""

_OPERATION = struct.Struct("<II")
_USUAL_LINE: Final = 76
_BLOCK: Final = 512 * 1024
"""Bytes that are encoded at once."""


class Layout(enum.IntEnum):
    RAW = 0
    """The bytes are skeleton and parts, nothing between them."""
    FTS = 1
    """As RAW, but after ``prefix`` bytes the result is framed into TransferBuffer operations."""
    MIME = 2
    """As RAW, but the parts are encoded as ``codings`` says."""


class Role(enum.StrEnum):
    SKELETON = "skeleton"
    BODY = "body"
    ATTACHMENT = "attachment"


class Transfer(enum.IntEnum):
    """How a part stands in a MIME message."""

    PLAIN = 0
    """Byte for byte."""
    BASE64_LF = 1
    """Base64 with LF between its lines."""
    BASE64_CRLF = 2


class Coding(NamedTuple):
    """``line`` is how many characters stand between two line ends; 0: there are none."""

    transfer: Transfer
    line: int = 0

    @property
    def line_end(self) -> bytes:
        """What stands between two lines."""
        if not self.line:
            return b""
        return b"\r\n" if self.transfer is Transfer.BASE64_CRLF else b"\n"


PLAIN: Final = Coding(Transfer.PLAIN)


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
    in order. ``codings`` has one entry for each hole of a MIME message and is empty otherwise.
    So what is joined is never larger than a small multiple of what is stored.
    """

    layout: Layout
    skeleton_parts: int
    prefix: int
    frames: tuple[tuple[int, int], ...]
    holes: tuple[tuple[int, int], ...]
    codings: tuple[Coding, ...] = ()

    def to_record(self) -> list[object]:
        """The form that is stored: lists and integers only."""
        holes = [list(hole) for hole in self.holes]
        if self.layout is Layout.MIME:
            pairs = zip(holes, self.codings, strict=True)
            holes = [[*hole, int(transfer), line] for hole, (transfer, line) in pairs]
        frames = [list(frame) for frame in self.frames]
        return [int(self.layout), self.skeleton_parts, self.prefix, frames, holes]

    @classmethod
    def from_record(cls, record: object) -> Recipe:
        """Read what ``to_record`` wrote. Raises RecipeError on anything else."""
        try:
            if not isinstance(record, list | tuple):
                raise TypeError(f"a {type(record).__name__} instead of a list")
            layout, skeleton_parts, prefix, frames, holes = record
            recipe = cls(
                Layout(layout),
                _count(skeleton_parts),
                _count(prefix),
                tuple((_count(size), _count(count)) for size, count in frames),
                tuple((_count(hole[0]), _count(hole[1])) for hole in holes),
                tuple(_coding(*hole[2:]) for hole in holes if layout == Layout.MIME),
            )
            if any(len(hole) != (4 if layout == Layout.MIME else 2) for hole in holes):
                raise ValueError("a hole of another layout")
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise RecipeError(f"not a recipe: {error}") from error
        if any(size == 0 for size, _ in recipe.frames):
            raise RecipeError("not a recipe: an empty frame")
        if recipe.frames and recipe.layout is Layout.MIME:
            raise RecipeError("not a recipe: a MIME message with frames")
        return recipe


@dataclass(frozen=True, slots=True)
class CutItem:
    """An item as its parts. ``parts`` may make each part when it is asked for, so keep none."""

    recipe: Recipe
    parts: Sequence[Part]

    def joined(self) -> Iterator[bytes | memoryview]:
        """The item's bytes in pieces, in order."""
        return joined(self.recipe, PartBytes(self.parts))

    def matches(self, payload: bytes | bytearray | memoryview | mmap) -> bool:
        """Whether the parts join to exactly ``payload``."""
        return matches(self.recipe, PartBytes(self.parts), payload)


class PartBytes(Sequence[bytes]):
    """The bytes of ``parts``, each read when it is asked for."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, key: int, /) -> bytes: ...
    @overload
    def __getitem__(self, key: slice, /) -> Sequence[bytes]: ...
    def __getitem__(self, key: int | slice, /) -> bytes | Sequence[bytes]:
        if isinstance(key, slice):
            return PartBytes(self._parts[key])
        return self._parts[key].data


def pieces(data: bytes, size: int = MAX_PART) -> Iterator[bytes]:
    """``data`` in pieces of at most ``size`` bytes; one empty piece for empty data."""
    if len(data) <= size:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]


def join(recipe: Recipe, parts: Sequence[bytes]) -> bytes:
    """The exact bytes of the item. Raises RecipeError when recipe and parts do not fit."""
    return b"".join(joined(recipe, parts))


def joined(recipe: Recipe, parts: Sequence[bytes]) -> Iterator[bytes | memoryview]:
    """The exact bytes of the item in pieces, one part in memory at a time.

    Raises RecipeError when recipe and parts do not fit, perhaps only after the last piece: take
    what came for an item when the iteration has ended, not before.
    """
    _check(recipe, len(parts))
    skeleton = _Skeleton(parts, recipe.skeleton_parts)
    yield from skeleton.take(recipe.prefix, "the prefix is longer than the skeleton")
    content = _content(recipe, skeleton, parts)
    if recipe.layout is Layout.FTS:
        yield from _framed(content, recipe.frames)
    else:
        yield from content


def matches(
    recipe: Recipe, parts: Sequence[bytes], payload: bytes | bytearray | memoryview | mmap
) -> bool:
    """Whether ``parts`` join to exactly ``payload``, compared piece by piece; never raises."""
    view = memoryview(payload)
    position = 0
    try:
        for piece in joined(recipe, parts):
            # Not ==, which compares a memoryview byte by byte.
            there = view[position : position + len(piece)].tobytes()
            if len(there) != len(piece) or not there.startswith(piece):
                return False
            position += len(piece)
    except RecipeError:
        return False
    return position == len(view)


def encoded(data: Iterable[bytes], coding: Coding) -> Iterator[bytes]:
    """The pieces of one value as a MIME message has them; no line end after the last line."""
    if coding.transfer is Transfer.PLAIN:
        yield from data
        return
    # Whole lines of whole groups: each block starts a line, wherever the value was cut.
    unit = coding.line // 4 * 3 if coding.line % 4 == 0 else coding.line * 3
    unit = unit or 3
    step = _BLOCK // unit * unit
    rest = between = b""
    for piece in data:
        start = min(unit - len(rest), len(piece)) if rest else 0
        rest += piece[:start]
        if len(rest) == unit:
            yield between + _lines(rest, coding)
            rest, between = b"", coding.line_end
        if rest:
            continue
        whole = len(piece) - (len(piece) - start) % unit
        for at in range(start, whole, step):
            yield between + _lines(piece[at : min(at + step, whole)], coding)
            between = coding.line_end
        rest = piece[whole:]
    if rest:
        yield between + _lines(rest, coding)


def _lines(data: bytes, coding: Coding) -> bytes:
    """Base64 of ``data`` in lines, the last one without its end."""
    line, end = coding.line, coding.line_end
    if line == _USUAL_LINE:
        text: bytes = pybase64.encodebytes(data)[:-1]
        return text.replace(b"\n", end) if end != b"\n" else text
    text = pybase64.b64encode(data)
    if not line or len(text) <= line:
        return text
    return end.join([text[start : start + line] for start in range(0, len(text), line)])


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.40} is not a number of something")
    return value


def _coding(transfer: object, line: object) -> Coding:
    coding = Coding(Transfer(_count(transfer)), _count(line))
    plain = coding.transfer is Transfer.PLAIN
    if coding.line and (plain or not SHORTEST_LINE <= coding.line <= LONGEST_LINE):
        raise ValueError(f"lines of {coding.line} characters")
    return coding


def _check(recipe: Recipe, parts: int) -> None:
    if recipe.skeleton_parts > parts:
        raise RecipeError(f"recipe wants {recipe.skeleton_parts} skeleton parts, got {parts}")
    if len({number for _, number in recipe.holes}) != len(recipe.holes):
        raise RecipeError("a part fills more than one hole")
    for offset, number in recipe.holes:
        if number >= parts:
            raise RecipeError(f"hole at {offset} wants part {number}, there are {parts}")
    if any(size < 1 for size, _ in recipe.frames):
        raise RecipeError("an empty frame")
    if recipe.layout is Layout.MIME and len(recipe.codings) != len(recipe.holes):
        raise RecipeError(f"{len(recipe.codings)} codings for {len(recipe.holes)} holes")


class _Skeleton:
    """Reads the leading parts as one."""

    def __init__(self, parts: Sequence[bytes], count: int) -> None:
        self._parts = parts
        self._count = count
        self._next = 0
        self._open = memoryview(b"")

    def take(self, size: int, otherwise: str) -> Iterator[memoryview]:
        """The next ``size`` bytes; RecipeError says ``otherwise`` when there are fewer."""
        while size:
            if not self._more():
                raise RecipeError(otherwise)
            piece = self._open[:size]
            self._open = self._open[len(piece) :]
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[memoryview]:
        while self._more():
            piece, self._open = self._open, memoryview(b"")
            yield piece

    def _more(self) -> bool:
        while not self._open and self._next < self._count:
            self._open = memoryview(self._parts[self._next])
            self._next += 1
        return bool(self._open)


def _content(
    recipe: Recipe, skeleton: _Skeleton, parts: Sequence[bytes]
) -> Iterator[bytes | memoryview]:
    position = 0
    for offset, numbers, coding in _values(recipe):
        if offset < position:
            raise RecipeError(f"hole at {offset} is out of order")
        yield from skeleton.take(offset - position, f"hole at {offset} is beyond the skeleton")
        position = offset
        yield from encoded((parts[number] for number in numbers), coding)
    yield from skeleton.rest()


def _values(recipe: Recipe) -> Iterator[tuple[int, list[int], Coding]]:
    """Offset, parts and coding of each value: holes at one offset with one coding are one."""
    codings = recipe.codings if recipe.layout is Layout.MIME else (PLAIN,) * len(recipe.holes)
    key: tuple[int, Coding] | None = None
    numbers: list[int] = []
    for (offset, number), coding in zip(recipe.holes, codings, strict=True):
        if key is not None and key != (offset, coding):
            yield key[0], numbers, key[1]
            numbers = []
        key = (offset, coding)
        numbers.append(number)
    if key is not None:
        yield key[0], numbers, key[1]


def _framed(
    content: Iterator[bytes | memoryview], frames: tuple[tuple[int, int], ...]
) -> Iterator[bytes | memoryview]:
    total = sum(size * count for size, count in frames)
    sizes = (size for size, count in frames for _ in range(count))
    there = room = 0
    for piece in content:
        view = memoryview(piece)
        there += len(view)
        while view:
            if not room:
                room = next(sizes, 0)
                if not room:
                    raise RecipeError(f"frames hold {total} bytes, the content has more")
                yield _OPERATION.pack(TRANSFER_BUFFER, room)
            yield view[:room]
            taken = min(room, len(view))
            room -= taken
            view = view[taken:]
    if there != total:
        raise RecipeError(f"frames hold {total} bytes, the content has {there}")
