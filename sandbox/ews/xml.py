"""SOAP on the wire: requests read without trusting them, answers built from small elements."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"

MAX_DEPTH = 100
MAX_ELEMENTS = 500_000

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

for _prefix, _namespace in (("s", SOAP), ("m", MESSAGES), ("t", TYPES)):
    ElementTree.register_namespace(_prefix, _namespace)


class XmlError(ValueError):
    """The request is no XML, or XML of a kind that no client needs to send."""


def parse(body: bytes) -> Element:
    """The root element of a request. Raises XmlError.

    A document type is refused before anything in it is read, so there are no entities and
    nothing is ever fetched; depth and number of elements are limited.
    """
    return _Reader().read(body)


def messages(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """An element of the messages namespace; what is None in its content is left out."""
    return _element(MESSAGES, name, content, attributes)


def types(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """An element of the types namespace."""
    return _element(TYPES, name, content, attributes)


def soap(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """An element of the SOAP 1.1 envelope."""
    return _element(SOAP, name, content, attributes)


def plain(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """An element of no namespace."""
    return _element("", name, content, attributes)


def local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def child(element: Element, name: str) -> Element | None:
    """The first child of that local name."""
    return next((one for one in element if local_name(one) == name), None)


def text_of(element: Element, name: str, default: str = "") -> str:
    """The text of a child, ``default`` where there is no such child."""
    found = child(element, name)
    return default if found is None else (found.text or "")


def is_true(value: str | None) -> bool:
    """An xs:boolean."""
    return (value or "").strip() in ("true", "1")


def to_bytes(root: Element) -> bytes:
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


class _Reader:
    def __init__(self) -> None:
        self._builder = ElementTree.TreeBuilder()
        self._depth = 0
        self._elements = 0
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._builder.data

    def read(self, body: bytes) -> Element:
        try:
            self._parser.Parse(body, True)
        except expat.ExpatError as error:
            raise XmlError(f"The request is not well-formed: {error}") from error
        return self._builder.close()

    def _refuse(self, *_: object) -> None:
        raise XmlError("A document type is not allowed.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise XmlError("The request has too many elements.")
        self._builder.start(_qualified(name), attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._builder.end(_qualified(name))


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _element(
    namespace: str, name: str, content: tuple[Element | str | None, ...], attributes: dict[str, str]
) -> Element:
    element = Element(f"{{{namespace}}}{name}" if namespace else name, attributes)
    for part in content:
        if isinstance(part, str):
            element.text = (element.text or "") + _NOT_XML.sub("", part)
        elif part is not None:
            element.append(part)
    return element
