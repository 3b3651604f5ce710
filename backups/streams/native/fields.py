"""Reading single properties of a node without ever failing.

What can't be read is None (or empty) and leaves a note; the item's bytes are never in question
here, only what Stowage can show of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.properties import PropertyName, Value, decode_value
from backups.streams.native.tokens import Node, Token

_STARTS: Final = (names.START_WHOLE, names.TASK_START, names.LOG_START, names.COMMON_START)
_ENDS: Final = (names.END_WHOLE, names.TASK_DUE, names.LOG_END, names.COMMON_END)

MAX_NOTES: Final = 20
"""Notes kept about one item; damage that goes on beyond them says nothing new."""


class Fields:
    """The properties of one node by id, and the named ones by name."""

    def __init__(self, node: Node, content: Content, notes: list[str]) -> None:
        self._content = content
        self._notes = notes
        self._tokens: dict[int, Token] = {}
        self._named: dict[bytes, Token] = {}
        for token in node.properties:
            if token[3] is None:
                self._tokens.setdefault(token[0] >> 16, token)
            else:
                self._named.setdefault(token[3], token)

    def has(self, number: int) -> bool:
        return number in self._tokens

    def length(self, number: int) -> int:
        """Bytes of the value on the wire; 0 when the property is absent."""
        token = self._tokens.get(number)
        return token[2] - token[1] if token else 0

    def value(self, number: int) -> Value | None:
        return self._decode(self._tokens.get(number))

    def named(self, name: PropertyName) -> Value | None:
        return self._decode(self._named.get(name.to_wire()))

    def text(self, *numbers: int) -> str:
        """The first of the strings that is there and not empty, without NULs."""
        for number in numbers:
            value = self.value(number)
            if isinstance(value, str) and value:
                return clean(value)
        return ""

    def integer(self, number: int) -> int | None:
        value = self.value(number)
        return value if isinstance(value, int) else None

    def time(self, number: int) -> datetime | None:
        value = self.value(number)
        return value if isinstance(value, datetime) else None

    def binary(self, number: int) -> bytes:
        value = self.value(number)
        return value if isinstance(value, bytes) else b""

    def _decode(self, token: Token | None) -> Value | None:
        if token is None:
            return None
        tag, start, stop, _ = token
        try:
            return decode_value(tag & 0xFFFF, self._content[start:stop])
        except ValueError as error:
            note(self._notes, f"property 0x{tag:08X}: {error}")
            return None


def note(notes: list[str], text: str) -> None:
    """Keep ``text`` once, and no more than ``MAX_NOTES`` of its kind."""
    if text not in notes and len(notes) < MAX_NOTES:
        notes.append(text)


def clean(text: str) -> str:
    """``text`` as a database and UTF-8 take it: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def address_of(fields: Fields, smtp: int, address: int) -> str:
    """The SMTP address when there is one, else whatever address the item has."""
    return fields.text(smtp, address).strip()


def sender_of(fields: Fields) -> tuple[str, str]:
    """Name and address of who the message is from (the represented sender comes first)."""
    name = fields.text(tags.SENT_REPRESENTING_NAME, tags.SENDER_NAME)
    address = address_of(
        fields, tags.SENT_REPRESENTING_SMTP_ADDRESS, tags.SENT_REPRESENTING_EMAIL_ADDRESS
    ) or address_of(fields, tags.SENDER_SMTP_ADDRESS, tags.SENDER_EMAIL_ADDRESS)
    return name, address


def span_of(fields: Fields) -> tuple[datetime | None, datetime | None]:
    """When an event or entry begins and ends, a task begins and is due; None for other items."""
    return _first_time(fields, _STARTS), _first_time(fields, _ENDS)


def _first_time(fields: Fields, choices: tuple[PropertyName, ...]) -> datetime | None:
    for name in choices:
        value = fields.named(name)
        if isinstance(value, datetime):
            return value
    return None


def is_exception(node: Node, content: Content) -> bool:
    """Whether an attachment is an occurrence of a series that differs (MS-OXOCAL 2.2.10)."""
    flags = Fields(node, content, []).integer(tags.ATTACHMENT_FLAGS) or 0
    return bool(flags & tags.ATTACHMENT_IS_EXCEPTION)
