"""Cutting an item into parts that other items may share.

Attachments and bodies are taken out of the transfer content, value bytes only; the rest is the
skeleton. A payload whose inside can't be read, or whose operations lie unusually, is kept whole
as skeleton: cutting never fails for a payload whose container is sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from backups.parts import CutItem, Layout, Part, Recipe, Role, pieces
from backups.streams.native import tags
from backups.streams.native.container import Container
from backups.streams.native.tokens import Node

SMALLEST_PART: Final = 2048
"""Bytes from which a value becomes a part of its own (docs/streams.md gives the measurement)."""

_ROLES = {
    tags.ATTACH_DATA: Role.ATTACHMENT,
    tags.BODY: Role.BODY,
    tags.RTF_COMPRESSED: Role.BODY,
    tags.HTML: Role.BODY,
}


def cut_whole(payload: bytes) -> CutItem:
    """``payload`` as nothing but skeleton."""
    parts = tuple(Part(Role.SKELETON, piece) for piece in pieces(payload))
    return CutItem(Recipe(Layout.RAW, len(parts), 0, (), ()), parts)


def cut_container(container: Container, root: Node) -> CutItem:
    """Cut a regular container along the tree that was read from its content."""
    content = memoryview(container.content)
    skeleton: list[bytes | memoryview] = [container.prefix]
    found: list[tuple[int, Part]] = []
    position = kept = 0
    for start, stop, role in sorted(_large_values(root)):
        skeleton.append(content[position:start])
        kept += start - position
        position = stop
        found += ((kept, Part(role, piece)) for piece in pieces(container.content[start:stop]))
    skeleton.append(content[position:])
    parts = [Part(Role.SKELETON, piece) for piece in pieces(b"".join(skeleton))]
    first = len(parts)
    holes = tuple((offset, first + number) for number, (offset, _) in enumerate(found))
    parts += (part for _, part in found)
    recipe = Recipe(Layout.FTS, first, len(container.prefix), _runs(container.frames), holes)
    return CutItem(recipe, tuple(parts))


def _large_values(root: Node) -> Iterator[tuple[int, int, Role]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        for tag, start, stop, _ in node.properties:
            if stop - start >= SMALLEST_PART:
                role = _ROLES.get(tag >> 16)
                if role is not None:
                    yield start, stop, role


def _runs(frames: Iterable[int]) -> tuple[tuple[int, int], ...]:
    return tuple((size, len(list(run))) for size, run in groupby(frames))
