"""What a mail's header fields say, however badly they are written."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses, mktime_tz, parsedate_tz
from typing import Final
from urllib.parse import unquote_to_bytes

from backups.streams.native.charsets import decode_header, decode_text, unescape

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DATE = datetime(1601, 1, 1, tzinfo=UTC)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_TYPE = re.compile(r"\s*([^\s/;()<>,\"]+/[^\s/;()<>,\"]+)")
_PARAMETER = re.compile(r"""[;\s]\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""", re.DOTALL)
_SEGMENT = re.compile(r"([^*]+)\*(?:(\d{1,4})(\*?))?")
# Newer Pythons answer a malformed list with nothing at all unless told not to.
_LENIENT = {"strict": False} if "strict" in inspect.signature(getaddresses).parameters else {}

MAX_PARAMETERS: Final = 65_536
"""Characters of a field in which parameters are looked for."""

MAX_ADDRESS: Final = 1_000
"""Characters of an address or a name; more than any mail system takes is not an address."""


class Headers:
    """Header fields of one message or part, by lower-case name, in order.

    Values are as they stand, folded; bytes that are not ASCII are in them as surrogates.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name.lower(), []).append(value)

    def raw(self, name: str) -> str:
        """The first field of that name as it stands; empty when there is none."""
        return self._fields.get(name, ("",))[0]

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


def content_type(value: str, default: str = "text/plain") -> tuple[str, dict[str, str]]:
    """The type in lower case and its parameters; ``default`` when the field names none."""
    match = _TYPE.match(value)
    if match is not None:
        return match[1].lower(), parameters(value[match.end() :])
    return default if not value.strip() else "text/plain", parameters(value)


def parameters(value: str) -> dict[str, str]:
    """The parameters of a structured field by lower-case name, the first of each name.

    RFC 2231 charsets and continuations are resolved; encoded words, which have no place there
    but are used, are not (``decode_header`` does).
    """
    found: dict[str, str] = {}
    segments: dict[str, dict[int, tuple[str, bool]]] = {}
    unfolded = value[:MAX_PARAMETERS].replace("\r", "").replace("\n", "")
    for match in _PARAMETER.finditer(unfolded):
        name, text = match[1].lower(), _unquoted(match[2].strip())
        segment = _SEGMENT.fullmatch(name)
        if segment is None:
            found.setdefault(name, text)
        else:
            coded = segment[2] is None or bool(segment[3])
            number = int(segment[2] or 0)
            segments.setdefault(segment[1], {}).setdefault(number, (text, coded))
    for name, numbered in segments.items():
        found[name] = _joined([numbered[number] for number in sorted(numbered)])
    return found


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace("\\\\", "\\").replace('\\"', '"')
    return text.strip('"')


def _joined(segments: list[tuple[str, bool]]) -> str:
    """Text of the segments of a parameter; only those with an asterisk are percent-encoded."""
    charset = ""
    text, coded = segments[0]
    if coded and text.count("'") >= 2:
        charset, _, text = text.split("'", 2)
        segments = [(text, True), *segments[1:]]
    raw = b"".join(
        unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
        if coded
        else text.encode("utf-8", "surrogateescape")
        for text, coded in segments
    )
    return decode_text(raw, charset)


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
