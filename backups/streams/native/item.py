"""The decoded tree of an item, and back to the bytes it was read from."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from backups.streams.errors import StreamUnknown
from backups.streams.native.container import write_container, write_prefix
from backups.streams.native.content import Content
from backups.streams.native.properties import Property, PropertyName
from backups.streams.native.tokens import (
    END_ATTACH,
    END_EMBED,
    END_RECIPIENT,
    NEW_ATTACH,
    START_EMBED,
    START_RECIPIENT,
    Node,
    Owner,
    Token,
)

_MARKER = struct.Struct("<I")


@dataclass(slots=True)
class Envelope:
    """How an item was packed: the operations before its content, and the sizes of its buffers."""

    prefix: bytes
    frames: tuple[int, ...]


@dataclass(slots=True)
class Recipient:
    properties: list[Property] = field(default_factory=list)


@dataclass(slots=True)
class Attachment:
    properties: list[Property] = field(default_factory=list)
    embedded: Item | None = None


@dataclass(slots=True)
class Item:
    """A message object: its properties, recipients and attachments, in the stream's order.

    ``between`` are properties that stand after the recipients and before the attachments (a
    server puts PidTagFXDelProp there). ``envelope`` is there on an item that was read.
    """

    properties: list[Property] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    between: list[Property] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    envelope: Envelope | None = None

    def find(self, number: int) -> Property | None:
        """The first property with id ``number``; named properties are found with ``named``."""
        return next((p for p in self.properties if p.id == number), None)

    def named(self, name: PropertyName) -> Property | None:
        return next((p for p in self.properties if p.name == name), None)


def item_from(root: Node, content: Content) -> Item:
    """The tree below message ``root``; StreamUnknown where the order is not the grammar's."""
    top = Item()
    waiting = [(root, top)]
    while waiting:
        node, item = waiting.pop()
        waiting += _filled(item, node, content)
    return top


def write_item(
    item: Item, *, build: tuple[int, int, int] | tuple[int, int, int, int] | None = None
) -> bytes:
    """The payload of ``item`` as a server of ``build`` (major, minor, build[, revision]) writes it.

    Without ``build`` an item that was read is written with the operations, server build and
    buffer sizes it came with, which gives the bytes it was read from. ValueError when neither
    says what to write.
    """
    content = b"".join(_wire(item))
    if build is not None:
        return write_container(write_prefix(build), content)
    if item.envelope is None:
        raise ValueError("an item that was not read needs a server build")
    return write_container(item.envelope.prefix, content, item.envelope.frames)


def _filled(item: Item, node: Node, content: Content) -> list[tuple[Node, Item]]:
    """Fill ``item`` from ``node``; the embedded messages are given back, to be filled next."""
    embedded: list[tuple[Node, Item]] = []
    children = iter(node.children)
    child = next(children, None)
    for token in node.properties:
        while child is not None and child.start < token[1]:
            embedded += _add(item, child, content)
            child = next(children, None)
        if item.attachments:
            raise _disorder("a property after the attachments", token[1], token[0])
        (item.between if item.recipients else item.properties).append(_read(token, content))
    while child is not None:
        embedded += _add(item, child, content)
        child = next(children, None)
    return embedded


def _add(item: Item, child: Node, content: Content) -> list[tuple[Node, Item]]:
    properties = [_read(token, content) for token in child.properties]
    if child.owner is Owner.RECIPIENT:
        if item.attachments or item.between:
            raise _disorder("a recipient out of order", child.start, START_RECIPIENT)
        item.recipients.append(Recipient(properties))
        return []
    if not child.children:
        item.attachments.append(Attachment(properties))
        return []
    late = child.properties and child.properties[-1][1] > child.children[0].start
    if late or len(child.children) > 1:
        raise _disorder("an attachment out of order", child.start, NEW_ATTACH)
    inner = Item()
    item.attachments.append(Attachment(properties, inner))
    return [(child.children[0], inner)]


def _disorder(reason: str, offset: int, prop: int) -> StreamUnknown:
    return StreamUnknown(reason, offset=offset, prop=prop)


def _read(token: Token, content: Content) -> Property:
    tag, start, stop, name = token
    return Property(tag, content[start:stop], PropertyName.from_wire(name) if name else None)


def _wire(item: Item) -> Iterator[bytes]:
    """The pieces of the content; a stack of messages in place of recursion."""
    open_messages = [_message(item)]
    while open_messages:
        for piece in open_messages[-1]:
            if isinstance(piece, Item):
                open_messages.append(_message(piece))
                break
            yield piece
        else:
            open_messages.pop()


def _message(item: Item) -> Iterator[bytes | Item]:
    """The pieces of one message, with the embedded ones as themselves where they stand."""
    yield from _wire_all(item.properties)
    for recipient in item.recipients:
        yield _MARKER.pack(START_RECIPIENT)
        yield from _wire_all(recipient.properties)
        yield _MARKER.pack(END_RECIPIENT)
    yield from _wire_all(item.between)
    for attachment in item.attachments:
        yield _MARKER.pack(NEW_ATTACH)
        yield from _wire_all(attachment.properties)
        if attachment.embedded is not None:
            yield _MARKER.pack(START_EMBED)
            yield attachment.embedded
            yield _MARKER.pack(END_EMBED)
        yield _MARKER.pack(END_ATTACH)


def _wire_all(properties: Iterable[Property]) -> Iterator[bytes]:
    for prop in properties:
        yield from prop.to_wire()
