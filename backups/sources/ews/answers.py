"""Answers: read strictly while they arrive, streams decoded on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from backups.sources.errors import Retry, SourceError
from backups.sources.ews.soap import ERRORS, SOAP, TYPES, m, t
from backups.sources.interface import Payload
from backups.sources.payloads import StreamDecoder

_STREAMS = frozenset({m("Data"), t("MimeContent"), t("Content")})
_LONGEST_REST = 64 * 1024 * 1024
_LONGEST_REFERENCE = 12
_REFERENCE = re.compile(rb"&#(?:([0-9]{1,8})|[xX]([0-9a-fA-F]{1,8}));")
_LONGEST_MESSAGE = 300


class BrokenAnswer(Exception):
    """What came is no whole SOAP answer: XML that ends early, or something else altogether."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A response code with what the server says about it. ``values`` are those of MessageXml,
    such as BackOffMilliseconds."""

    code: str
    message: str
    values: dict[str, str]

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code

    @property
    def back_off(self) -> float | None:
        """Seconds that the server asks to wait."""
        value = self.values.get("BackOffMilliseconds", "")
        return int(value) / 1000 if value.isascii() and value.isdigit() else None


class Answer:
    """A whole answer. ``version`` is the server's, such as "15.2.1544.4", "" when it is silent."""

    def __init__(self, root: Element, streams: list[StreamDecoder]) -> None:
        self._streams = streams
        body = root.find(f"{{{SOAP}}}Body")
        if root.tag != f"{{{SOAP}}}Envelope" or body is None:
            raise BrokenAnswer(f"not a SOAP answer but {root.tag[:80]}")
        self.body = body
        self.version = _version(root)

    @property
    def fault(self) -> Problem | None:
        """Why the whole request failed."""
        fault = self.body.find(f"{{{SOAP}}}Fault")
        if fault is None:
            return None
        detail = fault.find("detail")
        said = _text(fault.find("faultstring"))
        code = ""
        values: dict[str, str] = {}
        if detail is not None:
            code = _text(detail.find(f"{{{ERRORS}}}ResponseCode"))
            said = _text(detail.find(f"{{{ERRORS}}}Message")) or said
            values = _values(detail.find(t("MessageXml")))
        # Without a detail the code is that of SOAP, perhaps with a prefix.
        code = code or _text(fault.find("faultcode")).rpartition(":")[2]
        return Problem(code, said[:_LONGEST_MESSAGE], values)

    @property
    def messages(self) -> list[Element]:
        """The response messages, in the order of what was asked for."""
        holder = self.body.find(f"*/{m('ResponseMessages')}")
        return list(holder) if holder is not None else []

    def stream(self, element: Element | None) -> tuple[Payload | None, SourceError | None]:
        """(stream, None) of an element that carries one, or (None, what is wrong)."""
        if element is None:
            return None, Retry("the answer holds no stream")
        return self._streams[int(element.text or "")].finish()


def problem_of(message: Element) -> Problem | None:
    """What is wrong with one response message; None for a success.

    A warning is none: the server did not get to this one.
    """
    code = _text(message.find(m("ResponseCode")))
    if message.get("ResponseClass") == "Success" and code == "NoError":
        return None
    said = _text(message.find(m("MessageText")))[:_LONGEST_MESSAGE]
    return Problem(code or "no response code", said, _values(message.find(m("MessageXml"))))


class Reader:
    """Takes an answer in chunks. Refuses document types; never repairs anything."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._streams: list[StreamDecoder] = []
        self._inside = False
        self._length = 0
        self._held = b""
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.buffer_size = 256 * 1024
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        self._parser = parser

    def feed(self, chunk: bytes) -> None:
        chunk = self._held + chunk
        # A character reference may be cut in two; what could be the start of one waits.
        start = chunk.rfind(b"&", max(len(chunk) - _LONGEST_REFERENCE, 0))
        cut = start if start >= 0 and b";" not in chunk[start:] else len(chunk)
        chunk, self._held = chunk[:cut], chunk[cut:]
        self._parse(chunk)

    def finish(self) -> Answer:
        """The whole answer. Raises BrokenAnswer."""
        self._parse(self._held, final=True)
        return Answer(self._builder.close(), self._streams)

    def _parse(self, chunk: bytes, *, final: bool = False) -> None:
        if b"&#" in chunk:
            chunk = _REFERENCE.sub(_allowed, chunk)
        try:
            self._parser.Parse(chunk, final)
        except expat.ExpatError as error:
            raise BrokenAnswer(f"not whole XML: {error}") from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = _full(name)
        self._builder.start(name, {_full(key): value for key, value in attributes.items()})
        if name in _STREAMS:
            self._inside = True
            self._builder.data(str(len(self._streams)))
            self._streams.append(StreamDecoder())

    def _end(self, name: str) -> None:
        self._inside = False
        self._builder.end(_full(name))

    def _characters(self, characters: str) -> None:
        if self._inside:
            self._streams[-1].feed(characters.encode())
            return
        self._length += len(characters)
        if self._length > _LONGEST_REST:
            raise BrokenAnswer("too much besides the streams")
        self._builder.data(characters)

    def _refuse(self, *_: object) -> None:
        raise BrokenAnswer("XML with a document type")


def read(chunks: Iterator[bytes]) -> Answer:
    """The answer in ``chunks``. Raises BrokenAnswer when it is not whole."""
    reader = Reader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.finish()


def _full(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _allowed(reference: re.Match[bytes]) -> bytes:
    """A reference to a character that XML does not allow, as servers write them, becomes "?"."""
    number = int(reference[1]) if reference[1] else int(reference[2], 16)
    allowed = (
        number in (9, 10, 13)
        or 0x20 <= number < 0xD800
        or 0xE000 <= number < 0xFFFE
        or 0x10000 <= number < 0x110000
    )
    return reference[0] if allowed else b"?"


def _version(root: Element) -> str:
    info = root.find(f"{{{SOAP}}}Header/{{{TYPES}}}ServerVersionInfo")
    if info is None:
        return ""
    numbers = ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber")
    return ".".join(info.get(name, "0") for name in numbers)


def _text(element: Element | None) -> str:
    return " ".join((element.text or "").split()) if element is not None else ""


def _values(holder: Element | None) -> dict[str, str]:
    if holder is None:
        return {}
    return {one.get("Name", ""): _text(one) for one in holder.iter(t("Value"))}
