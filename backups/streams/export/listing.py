"""An item as text for people who look at it on a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from backups.streams.errors import StreamError
from backups.streams.export.properties import type_name
from backups.streams.native import tags
from backups.streams.native.fields import Fields
from backups.streams.native.index import attachment_name
from backups.streams.native.properties import BINARY, OBJECT, SERVER_ID, Value
from backups.streams.native.stream import ItemStream, open_stream
from backups.streams.native.tokens import Node, Owner
from backups.streams.native.walk import Found, Opened
from backups.streams.views.item import item_view
from backups.streams.views.model import ItemView, Person
from backups.streams.views.property_names import name_of

_LABEL: Final = 20
_SHOWN: Final = 100
_LONG: Final = 4096
_ALLOWED: Final = frozenset("\n\t")


def listing(payload: bytes) -> Iterator[str]:
    """The lines of an item: people, dates, what its kind says, body, attachments, notes."""
    view = item_view(payload)
    for label, text in _facts(view, payload):
        if text:
            yield from _fact(label, text)
    if view.text or view.html:
        yield ""
        yield f"Body ({view.body.origin})"
        yield from (f"  {line}" for line in _clean(view.text or view.html).splitlines())
    try:
        files = list(_attachments(open_stream(payload)))
    except StreamError:
        files = []
    if files:
        yield ""
        yield "Attachments"
        yield from files
    if view.notes:
        yield ""
        yield "Not readable"
        yield from (f"  {_clean(note)}" for note in view.notes)


def properties(payload: bytes) -> Iterator[str]:
    """Every property on a line: tag, name, type and value, shortened; those of recipients,
    attachments and messages inside are indented below a line that names what they belong to.

    Raises StreamError for a broken container.
    """
    for step in open_stream(payload).walk():
        if isinstance(step, Opened):
            depth = step.depth
            yield f"{'  ' * depth}[{step.owner.value}]"
        elif isinstance(step, Found):
            name = name_of(step.tag, step.name)
            value = _clean(_value(step)).replace("\n", " ")
            yield f"{'  ' * depth}  0x{step.tag:08X} {name} ({type_name(step.kind)}) {value}"
        else:
            depth = max(step.depth - 1, 0)


def _facts(view: ItemView, payload: bytes) -> Iterator[tuple[str, str]]:
    yield "Class", f"{view.item_class or 'none'} ({view.kind.value.replace('_', ' ')})"
    yield "Subject", view.subject
    yield "From", _person(view.sender)
    for label, people in (("To", view.to), ("Cc", view.cc), ("Bcc", view.bcc)):
        yield label, "; ".join(map(_person, people))
    yield "Sent", _moment(view.sent_at)
    yield "Received", _moment(view.received_at)
    yield from view.facts
    try:
        summary = open_stream(payload).summary()
    except StreamError as error:
        yield "Stream", f"{len(payload):,} bytes; broken: {error}"
        return
    counts = (
        f"{summary.size:,} bytes",
        f"{summary.properties} properties",
        f"{summary.recipients} recipients",
        f"{summary.attachments} attachments",
        f"server {summary.build or 'not named'}",
    )
    yield "Stream", ", ".join(counts)


def _fact(label: str, text: str) -> Iterator[str]:
    first, *others = _clean(text).splitlines() or [""]
    yield f"{_clean(label):<{_LABEL - 1}} {first}"
    yield from (f"{'':{_LABEL}}{line}" for line in others)


def _attachments(stream: ItemStream) -> Iterator[str]:
    """The attachments and those of messages inside them; a stack in place of recursion."""
    waiting = [(node, 1, number) for number, node in _numbered(stream.scan.root)]
    waiting.reverse()
    while waiting:
        node, depth, number = waiting.pop()
        fields = Fields(node, stream.content, [])
        size = fields.length(tags.ATTACH_DATA)
        name = attachment_name(fields) or "without a name"
        what = fields.text(tags.ATTACH_MIME_TAG) or "file"
        for message in node.nodes(Owner.MESSAGE):
            inner = Fields(message, stream.content, [])
            size = message.stop - message.start
            what = f"message: {inner.text(tags.SUBJECT) or 'without a subject'}"
            found = [(child, depth + 1, place) for place, child in _numbered(message)]
            waiting += reversed(found)
        yield f"{'  ' * depth}{number}  {_clean(name)}  {_clean(what)}, {size:,} bytes"


def _numbered(node: Node) -> Iterator[tuple[int, Node]]:
    return enumerate(node.nodes(Owner.ATTACHMENT))


def _value(found: Found) -> str:
    if found.kind in (BINARY, OBJECT, SERVER_ID) or found.size > _LONG:
        start = next(found.pieces(_SHOWN // 4), b"")
        return f"{found.size:,} bytes: {start.hex()}{'…' if found.size > len(start) else ''}"
    try:
        text = _text(found.read().value)
    except ValueError as error:
        return f"not readable: {error}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(value: Value) -> str:
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, datetime):
        return _moment(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _person(person: Person) -> str:
    if person.name and person.address and person.name != person.address:
        return f"{person.name} <{person.address}>"
    return person.name or person.address


def _clean(text: str) -> str:
    """Without what would steer a terminal: control, direction and other unseen characters."""
    return "".join(
        letter if letter in _ALLOWED or unicodedata.category(letter)[0] != "C" else "\ufffd"
        for letter in text.replace("\r\n", "\n").replace("\r", "\n")
    )
