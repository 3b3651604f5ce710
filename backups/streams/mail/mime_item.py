"""Items that are stored as MIME (``backups.mime_items``): the same questions as of a native stream.

What is shown, exported and compared of such an item is read from its **native form**: the stream
that its MIME makes, with the class, categories and properties that are said beside it. What is
stored stays the MIME.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from backups.mime_items import (
    INTEGER,
    PROPERTIES,
    TIME,
    Facts,
    MimeItemError,
    is_mime_item,
    pack_up,
    unpack,
)
from backups.parts import CutItem
from backups.streams.calendars.read import read_ics
from backups.streams.calendars.write import write_ics
from backups.streams.contacts.read import read_vcard
from backups.streams.contacts.write import write_vcf
from backups.streams.errors import MailError, StreamError
from backups.streams.mail.cut import cut_mime
from backups.streams.mail.eml import to_eml
from backups.streams.mail.mime import from_mime
from backups.streams.native import tags
from backups.streams.native.assembly import SERVER_BUILD, integer, text, time
from backups.streams.native.content import Payload
from backups.streams.native.index import KEYWORDS, IndexRecord
from backups.streams.native.item import Item, write_item
from backups.streams.native.properties import MULTIPLE, STRING, Property
from backups.streams.native.stream import ItemStream, open_stream, read_item
from backups.streams.views.item import item_view

UNCOMPARED: Final = frozenset({tags.TRANSPORT_MESSAGE_HEADERS, tags.SEARCH_KEY})
"""What a server writes anew each time it makes MIME: boundaries and header fields of its own."""

_CALENDAR: Final = b"BEGIN:VCALENDAR"
_CARD: Final = b"BEGIN:VCARD"
_HEAD: Final = 64
_MADE: Final = (
    (("IPM.APPOINTMENT", "IPM.TASK"), write_ics),
    (("IPM.CONTACT", "IPM.DISTLIST"), lambda payload: write_vcf(payload, note=_note(payload))),
)


class MimeItem:
    """A payload whose field above the MIME could be read. Make it with ``open_item``.

    The native form is made at the first question that needs it and is kept.
    """

    def __init__(self, payload: Payload) -> None:
        """Raises StreamError."""
        self.payload = payload
        try:
            self.facts, self.mime = unpack(payload)
        except MimeItemError as error:
            raise StreamError(str(error)) from error
        if not self.mime.strip():
            raise StreamError("the item has no MIME", offset=len(payload))

    def check(self) -> None:
        """Nothing more can be seen of MIME: it has no length and no end."""

    @functools.cached_property
    def native(self) -> bytes:
        """The native form. Raises MailError for MIME that none can be made of."""
        try:
            item = read_item(_stream_of(self.mime))
            _set(item, self.facts)
            return write_item(item, build=SERVER_BUILD)
        except ValueError as error:
            raise MailError(f"what is said beside the MIME can't be read: {error}") from error

    def index(self) -> IndexRecord:
        """The record for the catalog; never raises, its notes say what could not be read."""
        digest = self.digest().hex()
        try:
            record = open_stream(self.native).index()
        except StreamError as error:
            record = IndexRecord(item_class=self.facts.item_class, notes=(str(error),))
        return replace(record, size=len(self.payload), digest=digest)

    def digest(self) -> bytes:
        """32 bytes that stay the same when a server takes the item and makes MIME of it again.

        Of MIME that can't be read it is a digest of its bytes.
        """
        try:
            return open_stream(self.native).digest(without=UNCOMPARED)
        except StreamError:
            return sha256(self.mime).digest()

    def cut(self) -> CutItem:
        """The parts of the message and their recipe."""
        return cut_mime(bytes(self.payload))

    def is_a(self, suffix: str) -> bool:
        """Whether the MIME is already what a file with this suffix holds."""
        return {_CALENDAR: ".ics", _CARD: ".vcf"}.get(_kind_of(self.mime), ".eml") == suffix


def open_item(payload: Payload) -> ItemStream | MimeItem:
    """Open what is stored of an item, whichever it is; raises StreamError."""
    return MimeItem(payload) if is_mime_item(payload) else open_stream(payload)


def native_form(payload: bytes) -> bytes:
    """The native stream to look at: of a MIME item the one made from it. Raises StreamError."""
    return MimeItem(payload).native if is_mime_item(payload) else payload


def mime_form(payload: bytes) -> bytes:
    """The item as MIME with what stands beside it, for a system that takes no native streams.

    What MIME has no place for is left behind. Raises StreamError for what can't be written so.
    """
    if is_mime_item(payload):
        return payload
    item = read_item(payload)
    found = item.find(tags.MESSAGE_CLASS)
    item_class = str(found.value) if found is not None else ""
    upper = item_class.upper()
    make = next((one for known, one in _MADE if upper.startswith(known)), to_eml)
    return pack_up(Facts(item_class, tuple(_categories(item)), tuple(_said(item))), make(payload))


def _kind_of(mime: bytes) -> bytes:
    head = mime[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    return next((kind for kind in (_CALENDAR, _CARD) if head.startswith(kind)), b"")


def _stream_of(mime: bytes) -> bytes:
    """The first object of a calendar or a card, or the message."""
    kind = _kind_of(mime)
    if not kind:
        return from_mime(mime)
    made = next(read_ics(mime) if kind == _CALENDAR else read_vcard(mime))
    if made.payload is None:
        raise MailError(f"{made.label}: {made.reason}")
    return made.payload


def _note(payload: bytes) -> str:
    return item_view(payload).text


def _set(item: Item, facts: Facts) -> None:
    """Put what is said beside the MIME in place of what the MIME says."""
    stated = list(_properties(facts))
    made = item.find(tags.MESSAGE_CLASS)
    inner = str(made.value).upper() if made is not None else ""
    # The MIME may tell more: that it is signed, or what it reports.
    if facts.item_class and not inner.startswith(f"{facts.item_class.upper()}."):
        stated.append(text(tags.MESSAGE_CLASS, facts.item_class))
    replaced = {prop.id for prop in stated}
    plain = [prop for prop in item.properties if prop.name is None and prop.id not in replaced]
    names = [prop for prop in item.properties if prop.name is not None]
    if facts.categories:
        names = [prop for prop in names if prop.name != KEYWORDS]
        number = max((prop.id for prop in names), default=0x8000) + 1
        kept = list(facts.categories)
        names.append(Property.of(number, MULTIPLE | STRING, kept, KEYWORDS))
    item.properties = [*sorted([*plain, *stated], key=lambda prop: prop.tag), *names]


def _properties(facts: Facts) -> Iterator[Property]:
    known = dict(PROPERTIES)
    for number, kind, value in facts.properties:
        if known.get(number) != kind:
            continue
        try:
            if kind == INTEGER:
                made = integer(number, int(value))
            else:
                moment = datetime.fromisoformat(value)
                made = time(number, moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):  # no property can hold it
            continue
        yield made


def _categories(item: Item) -> Iterator[str]:
    found = item.named(KEYWORDS)
    if found is not None and isinstance(found.value, list):
        yield from map(str, found.value)


def _said(item: Item) -> Iterator[tuple[int, str, str]]:
    for number, kind in PROPERTIES:
        found = item.find(number)
        if found is None:
            continue
        value = found.value
        if kind == TIME and isinstance(value, datetime):
            yield number, kind, value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        elif kind == INTEGER and isinstance(value, int):
            yield number, kind, str(value)
