"""The content lines of vCards: how they are taken apart and put together.

vCard 2.1 (versit), 3.0 (RFC 2425, RFC 2426), 4.0 (RFC 6350); parameter values also after RFC 6868.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from backups.streams.blocks import decode_file
from backups.streams.native.charsets import decode_text

Parameters = tuple[tuple[str, tuple[str, ...]], ...]

_FOLD: Final = 75
_HEAD = re.compile(r"\s*(?:([\w-]+)\.)?([\w/-]+)\s*(?=[;:])", re.ASCII)
_VALUE_END = re.compile(r"[,;:]")
_KEY_END = re.compile(r"[=;:]")
_ESCAPE = re.compile(r"\\([\\;,:nN\"])")
_TO_ESCAPE = re.compile(r"([\\;,])")
_CARET = re.compile(r"\^([n'^])")
_BREAK = re.compile(r"\r\n|\r|\n")
_CHARSET = re.compile(rb"CHARSET=\"?([A-Za-z0-9._:-]+)", re.IGNORECASE)
_ENCODED = re.compile(r"[^:]{0,300};(?:ENCODING=)?\"?(?:B|BASE64)\"?\s*[;:]", re.IGNORECASE)
_DATA_URI = re.compile(r"[^:]{0,300}:\s*data:[^,]{0,200};base64,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """A content line. ``name`` and the keys of ``parameters`` are in capitals.

    ``kinds`` are its types and encodings and what vCard 2.1 says without a key, in capitals.
    ``value`` is decoded from quoted-printable, but keeps its backslashes.
    """

    group: str
    name: str
    parameters: Parameters
    kinds: frozenset[str]
    value: str
    original: str

    @property
    def text(self) -> str:
        return unescape(self.value).strip()

    def parameter(self, key: str) -> str:
        """The first value of a parameter; empty when it is absent."""
        return next((values[0] for name, values in self.parameters if name == key and values), "")


def card_text(raw: bytes) -> bytes:
    """A file in UTF-8. One that is not has each line read by the CHARSET it names, if any."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"CHARSET" not in raw.upper():
        return decode_file(raw).encode("utf-8", "replace")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return b"\n".join(map(_line_text, raw.splitlines()))
    return raw


def _line_text(line: bytes) -> bytes:
    head, _, _ = line.partition(b":")
    named = _CHARSET.search(head)
    charset = named[1].decode("ascii") if named and not line.isascii() else None
    return decode_text(line, charset).encode("utf-8", "replace")


def values_joined(lines: Iterable[str]) -> Iterator[str]:
    """Lines, with those that have no colon joined to the one before.

    Many programs break base64 without a fold, and texts too.
    """
    pending: list[str] = []
    encoded = False
    for line in lines:
        if pending and line.strip() and ":" not in line and not line.startswith("#"):
            pending.append(line.strip() if encoded else f"\\n{line.rstrip()}")
            continue
        if pending:
            yield "".join(pending)
        pending = [line]
        encoded = bool(_ENCODED.match(line) or _DATA_URI.match(line))
    if pending:
        yield "".join(pending)


def parse_line(original: str) -> Line | None:
    """The line taken apart; None for one that is not ``name;parameters:value``."""
    head = _HEAD.match(original)
    if head is None:
        return None
    position = head.end()
    parameters: list[tuple[str, tuple[str, ...]]] = []
    while original[position : position + 1] == ";":
        end = _KEY_END.search(original, position + 1)
        if end is None:
            return None
        key = original[position + 1 : end.start()].strip().upper()
        position = end.start()
        values: list[str] = []
        if end[0] == "=":
            values, position = _parameter_values(original, position)
        if key:
            parameters.append((key, tuple(values)))
    if original[position : position + 1] != ":":
        return None
    value = original[position + 1 :].strip()
    kinds = frozenset(_kinds(parameters))
    if "QUOTED-PRINTABLE" in kinds:
        charset = next((values[0] for key, values in parameters if key == "CHARSET" and values), "")
        value = decode_text(quopri.decodestring(value.encode("utf-8", "replace")), charset or None)
    return Line(head[1] or "", head[2].upper(), tuple(parameters), kinds, value, original.strip())


def _parameter_values(line: str, position: int) -> tuple[list[str], int]:
    """The values after the "=" at ``position``, and where the next parameter or value begins."""
    values: list[str] = []
    while True:
        position += 1
        closing = line.find('"', position + 1) if line[position : position + 1] == '"' else -1
        start, quoted = (position + 1, closing) if closing > 0 else (position, -1)
        end = _VALUE_END.search(line, max(position, closing))
        stop = end.start() if end else len(line)
        value = line[start : quoted if quoted > 0 else stop]
        values.append(_CARET.sub(lambda m: {"n": "\n", "'": '"', "^": "^"}[m[1]], value.strip()))
        position = stop
        if end is None or end[0] != ",":
            return values, position


def _kinds(parameters: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    for key, values in parameters:
        if key in ("TYPE", "ENCODING"):
            for value in values:
                yield from (part.strip().upper() for part in value.split(","))
        elif not values:
            yield key
        elif key == "PREF":
            yield "PREF"


def kept_form(line: Line) -> str:
    """The line as it is kept: in the way of vCard 3.0, without quoted-printable and charset."""
    keys = {key for key, values in line.parameters if not values}
    if not keys and not {"CHARSET", "ENCODING"} & {key for key, _ in line.parameters}:
        return line.original
    parameters = [
        (key, values)
        for key, values in line.parameters
        if values and key not in ("CHARSET", "ENCODING", "TYPE")
    ]
    encoded = line.kinds & {"B", "BASE64"}
    types = sorted(line.kinds - {"B", "BASE64", "QUOTED-PRINTABLE", "8BIT", "7BIT"})
    if "TYPE" not in {key for key, _ in line.parameters}:
        types = [kind for kind in types if kind in keys]
    if types:
        parameters.insert(0, ("TYPE", tuple(types)))
    if encoded:
        parameters.append(("ENCODING", ("b",)))
    name = f"{line.group}.{line.name}" if line.group else line.name
    return content_line(name, parameters, _BREAK.sub(r"\\n", line.value))


def content_line(name: str, parameters: Iterable[tuple[str, tuple[str, ...]]], value: str) -> str:
    """``name;parameters:value`` on one line; ``value`` is escaped already where it must be."""
    head = name
    for key, values in parameters:
        head += f";{key}={','.join(map(_quoted, values))}"
    return _BREAK.sub(" ", f"{head}:{value}")


def _quoted(value: str) -> str:
    """A parameter's value, in quotes where it needs them; a quote in it is that of RFC 6868."""
    value = _BREAK.sub(r"\\n", value).replace("^", "^^").replace('"', "^'")
    return f'"{value}"' if re.search(r"[,;:]", value) else value


def folded(line: str) -> str:
    """At most 75 bytes on a line, never cut inside a character."""
    raw = line.encode("utf-8", "replace")
    if len(raw) <= _FOLD:
        return raw.decode("utf-8")
    pieces = []
    start, room = 0, _FOLD
    while len(raw) - start > room:
        end = start + room
        while raw[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(raw[start:end])
        start, room = end, _FOLD - 1
    return b"\r\n ".join((*pieces, raw[start:])).decode("utf-8")


def unescape(value: str) -> str:
    """A value without its backslashes; a line end is CRLF as in Outlook's texts."""
    return _BREAK.sub("\r\n", _ESCAPE.sub(lambda m: "\n" if m[1] in "nN" else m[1], value))


def escape(text: str) -> str:
    return _BREAK.sub(r"\\n", _TO_ESCAPE.sub(r"\\\1", text))


def split(value: str, mark: str) -> list[str]:
    """The fields between unescaped ``mark`` characters, still escaped."""
    fields, start, position = [], 0, 0
    while position < len(value):
        if value[position] == "\\":
            position += 1
        elif value[position] == mark:
            fields.append(value[start:position])
            start = position + 1
        position += 1
    return [*fields, value[start:]]
