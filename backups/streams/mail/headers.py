"""What a mail's header fields say, however badly they are written."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import getaddresses, mktime_tz, parsedate_tz
from typing import Final

from backups.streams.native.charsets import decode_header, unescape

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DATE = datetime(1601, 1, 1, tzinfo=UTC)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
# Newer Pythons answer a malformed list with nothing at all unless told not to.
_LENIENT = {"strict": False} if "strict" in inspect.signature(getaddresses).parameters else {}

MAX_ADDRESS: Final = 1_000
"""Characters of an address or a name; more than any mail system takes is not an address."""


class Headers:
    """Header fields of one message or part, by lower-case name, in order."""

    def __init__(self, message: Message) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in message.raw_items():
            self._fields.setdefault(name.strip().lower(), []).append(str(value))

    def texts(self, name: str) -> list[str]:
        return [decode_header(value) for value in self._fields.get(name, ())]

    def text(self, name: str) -> str:
        """The first field of that name that says something."""
        return next((text for text in self.texts(name) if text), "")

    def people(self, *names: str) -> list[tuple[str, str]]:
        """(name, address) of everyone in the fields; either may be empty, not both."""
        found: list[tuple[str, str]] = []
        for field in names:
            for value in self._fields.get(field, ()):
                found += _addresses(unescape(value))
        return found

    def date(self, name: str) -> datetime | None:
        """The first readable date of the fields of that name."""
        dates = (parse_date(value) for value in self._fields.get(name, ()))
        return next((date for date in dates if date is not None), None)

    def received(self) -> datetime | None:
        """When the last server took the mail: the date of the topmost Received field."""
        for value in self._fields.get("received", ()):
            date = parse_date(value.rpartition(";")[2])
            if date is not None:
                return date
        return None

    def message_ids(self, name: str) -> list[str]:
        return _MESSAGE_ID.findall(" ".join(self.texts(name)))


def parse_date(value: str) -> datetime | None:
    """An RFC 5322 date in UTC; None when it is none, or before 1601."""
    try:
        parsed = parsedate_tz(unescape(value))
        if parsed is None:
            return None
        date = _EPOCH + timedelta(seconds=mktime_tz(parsed))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date >= _FIRST_DATE else None


def first(people: Iterable[tuple[str, str]]) -> tuple[str, str]:
    return next(iter(people), ("", ""))


def _addresses(value: str) -> list[tuple[str, str]]:
    """Parsed before encoded words are decoded: a decoded name may hold commas."""
    try:
        pairs = getaddresses([re.sub(r"[\r\n]+", " ", value)], **_LENIENT)
    except (RecursionError, IndexError, ValueError):
        pairs = [(value, "")]
    people = []
    for name, address in pairs:
        shown = decode_header(name)[:MAX_ADDRESS]
        address = decode_header(address)[:MAX_ADDRESS]
        if shown or address:
            people.append((shown, address))
    return people
