"""From Outlook's stores (.pst and .ost, MS-PST) to item streams.

A store holds the properties of messages as a mailbox does; libpff finds them. Left out are what
belongs to the store alone (row numbers of tables), associated items (views, rules and settings of
Outlook), and search folders, whose items lie elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backups.streams.errors import MailError
from backups.streams.made import Made
from backups.streams.native import tags
from backups.streams.native.assembly import text
from backups.streams.native.fields import note
from backups.streams.native.item import Attachment, Item, Recipient
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    FIXED_SIZES,
    INTEGER32,
    MULTIPLE,
    OBJECT,
    Property,
    PropertyName,
)
from backups.streams.outlook import libpff
from backups.streams.outlook.incoming import (
    FIRST_NAMED,
    PAGE_IDS,
    WESTERN,
    declared_page,
    label_of,
    multiple,
    single,
    stream_of,
    without_twins,
)

MAX_MESSAGES: Final = 10_000
"""Messages that are read as one with those inside them: links of a damaged store may go round."""

_ROW_NUMBERS: Final = frozenset({0x67F2, 0x67F3})
_IPM_SUBTREE: Final = 0x35E0
_SEARCH_FOLDER: Final = 3
_KIND_OF_NODE: Final = 0x1F
_INTEGER = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class StoreItem:
    """An item of a store: the names of the folders down to it, from the top of what a person sees
    in Outlook (else from the root of the store), its class, and what became of it."""

    folder: tuple[str, ...]
    item_class: str
    made: Made


def read_store(path: Path) -> Iterator[StoreItem]:
    """Every item of the store at ``path``, folder by folder.

    Passwords are not asked for: they keep Outlook out, not other programs. Raises MailError for a
    file that is no store, OSError for one that can't be opened; an item or folder that can't be
    read is named with its reason.
    """
    with ExitStack() as stack:
        store = stack.enter_context(libpff.open_store(path))
        root = stack.enter_context(store.item("libpff_file_get_root_folder"))
        top = _top_of(store)
        seen: set[int] = set()
        waiting: list[tuple[libpff.Handle, tuple[str, ...]]] = [(root, ())]
        while waiting:
            folder, names = waiting.pop()
            number = folder.number("libpff_item_get_identifier")
            if number in seen or number & _KIND_OF_NODE == _SEARCH_FOLDER:
                continue
            seen.add(number)
            if number == top:
                names = ()
            elif folder is not root:
                names = (*names, _name_of(folder))
            yield from _items(folder, names)
            inner = []
            for child in libpff.children(folder, "sub_folder"):
                if isinstance(child, MailError):
                    yield StoreItem(names, "", Made("folder", reason=str(child)))
                else:
                    inner.append((stack.enter_context(child), names))
            waiting += reversed(inner)


def _items(folder: libpff.Handle, names: tuple[str, ...]) -> Iterator[StoreItem]:
    for place, child in enumerate(libpff.children(folder, "sub_message"), start=1):
        label = f"{'/'.join(names)} {place}".strip()
        if isinstance(child, MailError):
            yield StoreItem(names, "", Made(label, reason=str(child)))
            continue
        with child:
            reader = _Reader()
            try:
                item = reader.item(child)
                payload = stream_of(item)
            except MailError as error:
                yield StoreItem(names, "", Made(label, reason=str(error)))
                continue
            yield StoreItem(names, label_of(item), Made(label, payload, notes=tuple(reader.notes)))


class _Reader:
    """Reads one item with all inside it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def item(self, message: libpff.Handle) -> Item:
        """The tree; embedded messages are filled after those around them, which stay open."""
        top = Item()
        waiting = [(message, WESTERN, top)]
        count = 0
        with ExitStack() as stack:
            while waiting:
                found, page, item = waiting.pop()
                count += 1
                if count > MAX_MESSAGES:
                    raise MailError(f"more than {MAX_MESSAGES} messages inside one")
                row = next(libpff.rows(found), [])
                page = _declared_page(row) or page
                item.properties += _with_subject(self._properties(row, page))
                item.recipients += self._recipients(found, page)
                for child in libpff.children(found, "attachment", "message"):
                    if isinstance(child, MailError):
                        note(self.notes, f"an attachment is left out: {child}")
                        continue
                    with ExitStack() as own:
                        attachment, inner = self._attachment(own.enter_context(child), page)
                        item.attachments.append(attachment)
                        if inner is not None:
                            attachment.embedded = Item()
                            waiting.append((own.enter_context(inner), page, attachment.embedded))
                            stack.push(own.pop_all())
        return top

    def _recipients(self, message: libpff.Handle, page: int) -> list[Recipient]:
        try:
            with message.item("libpff_message_get_recipients") as recipients:
                if not recipients.pointer:
                    return []
                return [Recipient(self._properties(r, page)) for r in libpff.rows(recipients)]
        except MailError as error:
            note(self.notes, f"recipients: {error}")
            return []

    def _attachment(
        self, found: libpff.Handle, page: int
    ) -> tuple[Attachment, libpff.Handle | None]:
        """An attachment, and the message in it, still to be read."""
        row = next(libpff.rows(found), [])
        listed = [entry for entry in row if entry[0] != tags.ATTACH_DATA]
        attachment = Attachment(self._properties(listed, page))
        method = _method_of(attachment)
        try:
            if method == tags.ATTACH_EMBEDDED:
                return attachment, found.item("libpff_attachment_get_item")
            if len(listed) < len(row):
                kind = OBJECT if method == tags.ATTACH_OLE else BINARY
                content = Property(tags.ATTACH_DATA << 16 | kind, libpff.attached(found))
                attachment.properties.append(content)
                attachment.properties.sort(key=lambda prop: prop.tag)
        except MailError as error:
            note(self.notes, f"the content of an attachment is left out: {error}")
        return attachment, None

    def _properties(self, row: libpff.Row, page: int) -> list[Property]:
        found = []
        page = _declared_page(row) or page
        for number, kind, name, value in row:
            if number in _ROW_NUMBERS or not number:
                continue
            try:
                found.append(_property(number, kind, name, value, page))
            except (MailError, ValueError) as error:
                note(self.notes, f"property 0x{number:04X}{kind:04X} is left out: {error}")
        return without_twins(sorted(found, key=lambda prop: prop.tag))


def _property(
    number: int, kind: int, name: PropertyName | None, value: bytes | MailError, page: int
) -> Property:
    if isinstance(value, MailError):
        raise value
    if number >= FIRST_NAMED and name is None:
        raise ValueError("it has no name")
    if kind & MULTIPLE:
        return multiple(number, kind, _values(kind & ~MULTIPLE, value), page, name)
    if kind == BOOLEAN:
        value = value[:1] + b"\0"
    return single(number, kind, value, page, name)


def _values(base: int, raw: bytes) -> list[bytes]:
    """The values of a multi-value: an array, or a count, their places and they (MS-PST 2.3.3.4)."""
    size = FIXED_SIZES.get(base)
    if size is not None:
        return [raw[at : at + size] for at in range(0, len(raw) - size + 1, size)]
    if len(raw) < 4:
        return []
    count = _INTEGER.unpack_from(raw)[0]
    if 4 + 4 * count > len(raw):
        raise ValueError(f"{count} values in {len(raw)} bytes")
    starts = [_INTEGER.unpack_from(raw, 4 + 4 * place)[0] for place in range(count)]
    stops = [*starts[1:], len(raw)]
    if sorted(starts) != starts or any(stop > len(raw) for stop in stops):
        raise ValueError("its values lie over each other")
    return [raw[start:stop] for start, stop in zip(starts, stops, strict=True)]


def _with_subject(properties: list[Property]) -> list[Property]:
    """The subject without the mark of its prefix's length (MS-PST 2.5.3.1.1.1)."""
    subject = next((prop for prop in properties if prop.id == tags.SUBJECT), None)
    if subject is None or not isinstance(subject.value, str) or subject.value[:1] != "\x01":
        return properties
    place = properties.index(subject)
    length, words = ord(subject.value[1:2] or "\x01") - 1, subject.value[2:]
    found = [*properties[:place], text(tags.SUBJECT, words), *properties[place + 1 :]]
    if 0 < length <= len(words) and all(prop.id != tags.SUBJECT_PREFIX for prop in found):
        found.insert(place + 1, text(tags.SUBJECT_PREFIX, words[:length]))
    return found


def _declared_page(row: libpff.Row) -> int | None:
    return declared_page(
        {
            number: _INTEGER.unpack_from(value)[0]
            for number, kind, _, value in row
            if number in PAGE_IDS and kind == INTEGER32 and isinstance(value, bytes) and value[3:]
        }
    )


def _method_of(attachment: Attachment) -> int:
    found = next((p for p in attachment.properties if p.id == tags.ATTACH_METHOD), None)
    return _INTEGER.unpack(found.raw)[0] if found and found.kind == INTEGER32 else 0


def _top_of(store: libpff.Handle) -> int | None:
    """The folder that Outlook shows as the top of the store; None when it does not say."""
    try:
        with store.item("libpff_file_get_message_store") as found:
            for number, _, _, value in next(libpff.rows(found), []):
                if number == _IPM_SUBTREE and isinstance(value, bytes) and len(value) >= 4:
                    return int(_INTEGER.unpack(value[-4:])[0])
    except MailError:
        return None
    return None


def _name_of(folder: libpff.Handle) -> str:
    for number, kind, _, value in next(libpff.rows(folder), []):
        if number == tags.DISPLAY_NAME and isinstance(value, bytes):
            found = single(number, kind, value, WESTERN, None).value
            return found if isinstance(found, str) else ""
    return ""
