"""An item told from its first byte to its last, large values in pieces.

For whoever writes an item in another form without holding it: JSON, a listing, a message file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from backups.streams.native.content import PIECE, Content, pieces_of
from backups.streams.native.properties import Property, PropertyName
from backups.streams.native.tokens import Node, Owner, Token


@dataclass(frozen=True, slots=True)
class Opened:
    """A message, recipient or attachment begins. ``depth`` counts what is open around it."""

    owner: Owner
    depth: int


@dataclass(frozen=True, slots=True)
class Closed:
    """It ends."""

    owner: Owner
    depth: int


@dataclass(frozen=True, slots=True)
class Found:
    """A property of what was opened last and is still open. ``size`` is its value's in bytes."""

    tag: int
    name: PropertyName | None
    size: int
    _content: Content
    _start: int

    @property
    def id(self) -> int:
        return self.tag >> 16

    @property
    def kind(self) -> int:
        return self.tag & 0xFFFF

    def read(self) -> Property:
        """The property with its whole value in memory."""
        raw = self._content[self._start : self._start + self.size]
        return Property(self.tag, raw, self.name)

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """The value as it stands on the wire (``Property.raw``), ``size`` bytes at a time."""
        return pieces_of(self._content, self._start, self._start + self.size, size)


Step: TypeAlias = Opened | Found | Closed


def walk_from(root: Node, content: Content) -> Iterator[Step]:
    """The steps through message ``root``, in the order of the stream."""
    yield Opened(root.owner, 0)
    open_nodes = [(root, _inside(root))]
    while open_nodes:
        node, inside = open_nodes[-1]
        entry = next(inside, None)
        if entry is None:
            open_nodes.pop()
            yield Closed(node.owner, len(open_nodes))
        elif isinstance(entry, Node):
            yield Opened(entry.owner, len(open_nodes))
            open_nodes.append((entry, _inside(entry)))
        else:
            tag, start, stop, name = entry
            found = PropertyName.from_wire(name) if name else None
            yield Found(tag, found, stop - start, content, start)


def _inside(node: Node) -> Iterator[Token | Node]:
    """The properties and the nodes of ``node`` as they follow each other."""
    children = iter(node.children)
    child = next(children, None)
    for token in node.properties:
        while child is not None and child.start < token[1]:
            yield child
            child = next(children, None)
        yield token
    while child is not None:
        yield child
        child = next(children, None)
