"""One pass over the transfer content: where each property lies, and whose it is.

Grammar (MS-OXCFXICS 2.2.4.3): messageContent is properties, recipients, attachments; a recipient
is StartRecip … EndToRecip; an attachment is NewAttach … EndAttach and may hold one embedded
message StartEmbed … EndEmbed. The scan decodes nothing and copies nothing but names, so that
everything that needs the stream (validation, index, digest, cut) can share one scan. Content that
is not joined is read through a window, large values are stepped over. Nothing recurses: messages
may lie inside each other to any depth.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from backups.streams.errors import StreamError, StreamTruncated, StreamUnknown
from backups.streams.native.content import Content
from backups.streams.native.properties import (
    CODE_PAGE,
    FIXED_SIZES,
    MULTIPLE,
    VARIABLE,
    is_multiple_code_page,
)

MAX_OBJECTS: Final = 1_000_000
"""Properties, recipients, attachments and messages that are read of one item.

Each takes some 200 bytes of memory, whatever its size on the wire: a stream of more is stored,
but not understood. Ten thousand recipients with all their properties are 200,000.
"""

MAX_NAME: Final = 65_536
"""Bytes of the string in a property's name; MAPI itself allows 254 (MS-OXCDATA 2.6.1)."""

NEW_ATTACH: Final = 0x40000003
START_EMBED: Final = 0x40010003
END_EMBED: Final = 0x40020003
START_RECIPIENT: Final = 0x40030003
END_RECIPIENT: Final = 0x40040003
END_ATTACH: Final = 0x400E0003

Token: TypeAlias = tuple[int, int, int, bytes | None]
"""A property: tag, where its value starts and stops in the content, its name on the wire."""


class Owner(enum.Enum):
    MESSAGE = "message"
    RECIPIENT = "recipient"
    ATTACHMENT = "attachment"


@dataclass(slots=True)
class Node:
    """A message, recipient or attachment: its properties and the nodes inside it, in order."""

    owner: Owner
    start: int
    stop: int = 0
    properties: list[Token] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def nodes(self, owner: Owner) -> Iterator[Node]:
        return (child for child in self.children if child.owner is owner)


_OPENS = {
    START_RECIPIENT: (Owner.MESSAGE, Owner.RECIPIENT),
    NEW_ATTACH: (Owner.MESSAGE, Owner.ATTACHMENT),
    START_EMBED: (Owner.ATTACHMENT, Owner.MESSAGE),
}
_CLOSES = {
    END_RECIPIENT: Owner.RECIPIENT,
    END_ATTACH: Owner.ATTACHMENT,
    END_EMBED: Owner.MESSAGE,
}
# Markers of folder and synchronisation streams (MS-OXCFXICS 2.2.4.1.4): never inside an item.
_FOREIGN = frozenset(
    number << 16 | 0x0003
    for number in (
        *(0x4009, 0x400A, 0x400B, 0x400C, 0x400D, 0x4010, 0x4012, 0x4013, 0x4014, 0x4015),
        *(0x4018, 0x402F, 0x403A, 0x403B),
    )
)
_U32 = struct.Struct("<I")
_WINDOW: Final = 256 * 1024
_AHEAD: Final = MAX_NAME + 64
"""What must lie in the window beyond a property's start: tag, the longest name, length."""


@dataclass(slots=True)
class Scan:
    """What one pass found: counts of objects, and of the values in multi-values of variable size.

    ``fault`` says why it ended before the end of the content.
    """

    root: Node
    properties: int = 0
    recipients: int = 0
    attachments: int = 0
    embedded: int = 0
    elements: int = 0
    fault: StreamError | None = None


def scan(content: Content) -> Scan:
    """Read ``content`` once. Never raises: what was read before a fault is kept beside it.

    Offsets, also the fault's, count from the start of the content.
    """
    found = Scan(Node(Owner.MESSAGE, 0))
    try:
        _walk(content, found)
    except StreamError as fault:
        found.fault = fault
    return found


class _Window(NamedTuple):
    """Bytes of the content from ``base`` on, good for properties that start before ``limit``."""

    data: bytes
    base: int
    limit: int


def _window(content: Content, position: int) -> _Window:
    end = len(content)
    if isinstance(content, bytes):
        return _Window(content, 0, end)
    stop = min(position + _WINDOW, end)
    return _Window(content[position:stop], position, end if stop == end else stop - _AHEAD)


def _walk(content: Content, found: Scan) -> None:
    node = found.root
    above: list[Node] = []
    append = node.properties.append
    unpack = _U32.unpack_from
    fixed_size = FIXED_SIZES.get
    end = len(content)
    position = count = 0
    window, base, limit = _window(content, 0)
    while position < end:
        if position >= limit:
            window, base, limit = _window(content, position)
        if end - position < 4:
            raise StreamTruncated("a property tag is cut off", offset=position)
        tag = unpack(window, position - base)[0]
        kind = tag & 0xFFFF
        if tag >> 24 == 0x40 and kind == 3:
            changed = _marker(tag, position, node, above, found)
            if changed is not None:
                node = changed
                append = node.properties.append
                position += 4
                continue
        value = position + 4
        name = None
        if tag & 0x80000000:
            name = _name(window, base, value, tag)
            value += len(name)
        size = fixed_size(kind)
        if size is None:
            if kind in VARIABLE or (kind & CODE_PAGE and not is_multiple_code_page(kind)):
                if value + 4 > end:
                    raise StreamTruncated("a length is cut off", offset=position, prop=tag)
                size = unpack(window, value - base)[0]
                value += 4
            else:
                size = _multiple(content, value, position, tag, found)
        stop = value + size
        if stop > end:
            reason = f"a value of {size} bytes, {max(end - value, 0)} are there"
            raise StreamTruncated(reason, offset=position, prop=tag)
        append((tag, value, stop, name))
        count += 1
        if count >= MAX_OBJECTS:
            raise _too_many(position)
        found.properties = count
        position = stop
    if above:
        raise StreamTruncated(f"the {node.owner.value} is not closed", offset=end)
    node.stop = end


def _marker(tag: int, position: int, node: Node, above: list[Node], found: Scan) -> Node | None:
    """The node that is open after marker ``tag``; None when the tag is a property."""
    if tag in _OPENS:
        inside, opened = _OPENS[tag]
        if node.owner is not inside:
            reason = f"a {opened.value} starts inside a {node.owner.value}"
            raise StreamError(reason, offset=position, prop=tag)
        found.recipients += tag == START_RECIPIENT
        found.attachments += tag == NEW_ATTACH
        found.embedded += tag == START_EMBED
        if found.recipients + found.attachments + found.embedded >= MAX_OBJECTS:
            raise _too_many(position)
        child = Node(opened, position + 4)
        node.children.append(child)
        above.append(node)
        return child
    if tag in _CLOSES:
        closed = _CLOSES[tag]
        if node.owner is not closed or not above:
            reason = f"a {closed.value} ends inside a {node.owner.value}"
            raise StreamError(reason, offset=position, prop=tag)
        node.stop = position
        return above.pop()
    if tag in _FOREIGN:
        raise StreamUnknown("a marker that no item has", offset=position, prop=tag)
    return None


def _too_many(position: int) -> StreamUnknown:
    reason = f"more than {MAX_OBJECTS:,} properties, recipients and attachments"
    return StreamUnknown(reason, offset=position)


def _name(window: bytes, base: int, position: int, tag: int) -> bytes:
    """The name at ``position`` of the content, which is in the window unless it is too long."""
    start = position - base
    kind_at = start + 16
    if kind_at >= len(window):
        raise StreamTruncated("a property name is cut off", offset=position, prop=tag)
    if window[kind_at] == 0:
        stop = kind_at + 5
    elif window[kind_at] == 1:
        longest = kind_at + 1 + MAX_NAME
        stop = window.find(b"\0\0", kind_at + 1, longest)
        while stop >= 0 and (stop - kind_at - 1) % 2:
            stop = window.find(b"\0\0", stop + 1, longest)
        if stop < 0 and len(window) > longest:
            raise StreamUnknown("a property name without end", offset=position, prop=tag)
        if stop < 0:
            raise StreamTruncated("a property name has no end", offset=position, prop=tag)
        stop += 2
    else:
        reason = f"unknown kind {window[kind_at]} of property name"
        raise StreamUnknown(reason, offset=position, prop=tag)
    if stop > len(window):
        raise StreamTruncated("a property name is cut off", offset=position, prop=tag)
    return window[start:stop]


def _multiple(content: Content, value: int, position: int, tag: int, found: Scan) -> int:
    """Bytes of the multi-value at ``value``: its count and its elements."""
    kind = tag & 0xFFFF
    base = kind & ~MULTIPLE
    size = FIXED_SIZES.get(base)
    if not kind & MULTIPLE or (size is None and base not in VARIABLE and not base & CODE_PAGE):
        raise StreamUnknown(f"unknown type 0x{kind:04X}", offset=position, prop=tag)
    end = len(content)
    if value + 4 > end:
        raise StreamTruncated("a count is cut off", offset=position, prop=tag)
    count = _U32.unpack(content[value : value + 4])[0]
    if size is not None:
        return int(4 + count * size)
    stop = value + 4
    if stop + 4 * count > end:
        raise StreamTruncated("a multi-value is cut off", offset=position, prop=tag)
    found.elements += count
    if found.elements > MAX_OBJECTS:
        raise _too_many(position)
    for _ in range(count):
        if stop + 4 > end:
            raise StreamTruncated("a multi-value is cut off", offset=position, prop=tag)
        stop += 4 + _U32.unpack(content[stop : stop + 4])[0]
    return stop - value
