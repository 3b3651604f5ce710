"""Requests: SOAP envelopes, put together from text and streams (WSDL and XSDs of EWS)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import pybase64

from backups.sources.errors import Refused
from backups.sources.interface import Payload

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"

SCHEMA_VERSION = "Exchange2013_SP1"
"""What every server from 2013 SP1 on understands."""

_CHUNK = 3 * 256 * 1024
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def m(name: str) -> str:
    """The full name of an element of the messages."""
    return f"{{{MESSAGES}}}{name}"


def t(name: str) -> str:
    """The full name of an element of the types."""
    return f"{{{TYPES}}}{name}"


def text(value: str) -> str:
    """``value`` as text of an element. Raises Refused for what XML can't carry."""
    _check(value)
    return escape(value)


def attribute(value: str) -> str:
    """``value`` as a quoted attribute. Raises Refused for what XML can't carry."""
    _check(value)
    return quoteattr(value)


def folder_id(folder: str) -> str:
    return f"<t:FolderId Id={attribute(folder)}/>"


def distinguished(name: str) -> str:
    return f"<t:DistinguishedFolderId Id={attribute(name)}/>"


def item_id(item: str, change_key: str = "") -> str:
    key = f" ChangeKey={attribute(change_key)}" if change_key else ""
    return f"<t:ItemId Id={attribute(item)}{key}/>"


def shape(kind: str, *fields: str, base: str = "IdOnly", more: str = "") -> str:
    """An ItemShape or FolderShape that asks for ``fields``; ``more`` is XML of its own."""
    paths = "".join(field if field[0] == "<" else _field(field) for field in fields)
    wanted = f"<t:AdditionalProperties>{paths}</t:AdditionalProperties>" if paths else ""
    return f"<m:{kind}><t:BaseShape>{base}</t:BaseShape>{more}{wanted}</m:{kind}>"


def extended(tag: int, kind: str) -> str:
    """The path of a property by its tag, such as 0x1035 of type "String"."""
    return f'<t:ExtendedFieldURI PropertyTag="0x{tag:04x}" PropertyType="{kind}"/>'


def _field(name: str) -> str:
    return f'<t:FieldURI FieldURI="{name}"/>'


def _check(value: str) -> None:
    found = _NOT_XML.search(value)
    if found:
        raise Refused(f"{value!r:.100} can't be sent: it holds U+{ord(found[0]):04X}")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A stream that is written as base64."""

    payload: Payload

    def __len__(self) -> int:
        return -(-len(self.payload) // 3) * 4

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.payload), _CHUNK):
            yield pybase64.b64encode(self.payload[start : start + _CHUNK])


class Body:
    """A request's body: its length is known, and it can be sent again from the start, as NTLM
    needs. A stream in it is encoded while it is sent."""

    def __init__(self, *parts: str | Encoded) -> None:
        self._parts = [part.encode() if isinstance(part, str) else part for part in parts]

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part


def envelope(content: str | tuple[str | Encoded, ...], acting_as: str) -> Body:
    """The envelope of an operation, as the mailbox ``acting_as`` if it is not ""."""
    parts = (content,) if isinstance(content, str) else content
    impersonation = (
        "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>"
        f"{text(acting_as)}"
        "</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
        if acting_as
        else ""
    )
    head = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Header>'
        f'<t:RequestServerVersion Version="{SCHEMA_VERSION}"/>{impersonation}'
        "</s:Header><s:Body>"
    )
    return Body(head, *parts, "</s:Body></s:Envelope>")
