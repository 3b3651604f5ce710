"""Cutting an item into parts that other items may share.

Attachments and bodies are taken out of the transfer content, value bytes only; the rest is the
skeleton. A payload whose inside can't be read, or whose operations lie unusually, is kept whole
as skeleton: cutting never fails for a payload whose container is sound. Parts are taken from the
payload one at a time, when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, overload

from backups.parts import MAX_PART, CutItem, Layout, Part, Recipe, Role
from backups.streams.native import tags
from backups.streams.native.container import Container
from backups.streams.native.content import Content, Payload, content_of, spliced
from backups.streams.native.tokens import Node

SMALLEST_PART: Final = 2048
"""Bytes from which a value becomes a part of its own (docs/streams.md gives the measurement)."""

_ROLES = {
    tags.ATTACH_DATA: Role.ATTACHMENT,
    tags.BODY: Role.BODY,
    tags.RTF_COMPRESSED: Role.BODY,
    tags.HTML: Role.BODY,
}


class Parts(Sequence[Part]):
    """Parts that are taken from where they lie when they are asked for, one at a time."""

    def __init__(self, spans: Iterable[tuple[Role, Content, int, int]]) -> None:
        self._spans = tuple(spans)

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, key: int, /) -> Part: ...

    @overload
    def __getitem__(self, key: slice, /) -> Parts: ...

    def __getitem__(self, key: int | slice, /) -> Part | Parts:
        if isinstance(key, slice):
            return Parts(self._spans[key])
        role, source, start, stop = self._spans[key]
        return Part(role, source[start:stop])


def cut_whole(payload: Payload) -> CutItem:
    """``payload`` as nothing but skeleton."""
    whole = content_of(memoryview(payload), (0,), (len(payload),))
    parts = Parts(_spans(Role.SKELETON, whole, 0, len(payload)))
    return CutItem(Recipe(Layout.RAW, len(parts), 0, (), ()), parts)


def cut_container(container: Container, root: Node) -> CutItem:
    """Cut a regular container along the tree that was read from its content."""
    content = container.content
    kept: list[tuple[Content, int, int]] = [(container.prefix, 0, len(container.prefix))]
    holes: list[int] = []
    large: list[tuple[Role, Content, int, int]] = []
    position = size = 0
    for start, stop, role in sorted(_large_values(root)):
        kept.append((content, position, start))
        size += start - position
        position = stop
        pieces = list(_spans(role, content, start, stop))
        holes += [size] * len(pieces)
        large += pieces
    kept.append((content, position, len(content)))
    skeleton = spliced(kept)
    leading = list(_spans(Role.SKELETON, skeleton, 0, len(skeleton)))
    recipe = Recipe(
        Layout.FTS,
        len(leading),
        len(container.prefix),
        _runs(container.frames),
        tuple((offset, number) for number, offset in enumerate(holes, len(leading))),
    )
    return CutItem(recipe, Parts((*leading, *large)))


def _spans(
    role: Role, source: Content, start: int, stop: int
) -> Iterator[tuple[Role, Content, int, int]]:
    """``source`` from ``start`` to ``stop`` in parts; one empty part for an empty range."""
    for at in range(start, max(stop, start + 1), MAX_PART):
        yield role, source, at, min(at + MAX_PART, stop)


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
