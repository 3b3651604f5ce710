"""As much of a CMS message (RFC 5652) as says what it holds and who signed it.

Nothing is verified or decrypted. Mail programs write BER with indefinite lengths, which the usual
libraries refuse; the reader below passes over elements without calling itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

SIGNED: Final = bytes.fromhex("2a864886f70d010702")
ENVELOPED: Final = bytes.fromhex("2a864886f70d010703")
AUTH_ENVELOPED: Final = bytes.fromhex("2a864886f70d0109100117")
"""Object identifiers of content types: id-signedData, id-envelopedData, id-ct-authEnvelopedData."""

MAX_CERTIFICATES: Final = 20
MAX_SIGNERS: Final = 20

_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_OID: Final = 0x06
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_EXPLICIT: Final = 0xA0
_CONSTRUCTED: Final = 0x20
_END: Final = b"\0\0"


@dataclass(frozen=True, slots=True)
class Signed:
    """``content`` is None where the signature stands beside what it signs; ``signers`` are the
    names in the certificates that the signatures refer to."""

    content: bytes | None
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Element:
    """``begin`` and ``after`` are its ends, ``start`` and ``stop`` those of its contents."""

    tag: int
    begin: int
    start: int
    stop: int
    after: int


def content_type(raw: bytes) -> bytes:
    """The object identifier of what ``raw`` is; ValueError when it is no CMS message."""
    oid, _ = _content_info(raw)
    return oid


def read_signed(raw: bytes) -> Signed:
    """What a signedData message says; ValueError when it can't be read."""
    oid, wrapped = _content_info(raw)
    if oid != SIGNED:
        raise ValueError("it is not signed data")
    body = _first(raw, wrapped, _SEQUENCE)
    content: bytes | None = None
    certificates: list[bytes] = []
    serials: list[int] = []
    sets = 0
    for element in _children(raw, body):
        if element.tag == _SEQUENCE:
            content = _enclosed(raw, element)
        elif element.tag == _EXPLICIT:
            for child in _children(raw, element):
                if child.tag == _SEQUENCE and len(certificates) < MAX_CERTIFICATES:
                    certificates.append(raw[child.begin : child.after])
        elif element.tag == _SET:
            sets += 1
            if sets > 1:
                serials += _serials(raw, element)
    return Signed(content, tuple(_names(certificates, serials)))


def _content_info(raw: bytes) -> tuple[bytes, _Element]:
    outer = _element(raw, 0, len(raw))
    if outer.tag != _SEQUENCE:
        raise ValueError("it is no CMS message")
    children = _children(raw, outer)
    oid, content = next(children, None), next(children, None)
    if oid is None or oid.tag != _OID or content is None:
        raise ValueError("it is no CMS message")
    return raw[oid.start : oid.stop], content


def _enclosed(raw: bytes, info: _Element) -> bytes | None:
    """EncapsulatedContentInfo: the signed bytes, joined where they come in pieces."""
    for element in _children(raw, info):
        if element.tag != _EXPLICIT:
            continue
        for octets in _children(raw, element):
            if octets.tag == _OCTETS:
                return raw[octets.start : octets.stop]
            if octets.tag == _OCTETS | _CONSTRUCTED:
                pieces = (c for c in _children(raw, octets) if c.tag == _OCTETS)
                return b"".join(raw[piece.start : piece.stop] for piece in pieces)
    return None


def _serials(raw: bytes, signers: _Element) -> Iterator[int]:
    """The serial numbers of the signers' certificates: SignerInfo.sid.issuerAndSerialNumber."""
    for count, signer in enumerate(_children(raw, signers)):
        if count >= MAX_SIGNERS:
            return
        for sid in _children(raw, signer):
            if sid.tag == _SEQUENCE:
                for part in _children(raw, sid):
                    if part.tag == _INTEGER:
                        yield int.from_bytes(raw[part.start : part.stop], "big", signed=True)
                break


def _names(certificates: list[bytes], serials: list[int]) -> Iterator[str]:
    for encoded in certificates:
        try:
            certificate = x509.load_der_x509_certificate(encoded)
            if certificate.serial_number not in serials:
                continue
            subject = certificate.subject
            found = [
                str(part.value)
                for oid in (NameOID.COMMON_NAME, NameOID.EMAIL_ADDRESS)
                for part in subject.get_attributes_for_oid(oid)
            ]
        except ValueError:
            continue
        if found:
            name, *rest = dict.fromkeys(found)
            yield f"{name} <{rest[0]}>" if rest else name


def _first(raw: bytes, parent: _Element, tag: int) -> _Element:
    for child in _children(raw, parent):
        if child.tag == tag:
            return child
    raise ValueError("a part of the CMS message is missing")


def _children(raw: bytes, parent: _Element) -> Iterator[_Element]:
    position = parent.start
    while position < parent.stop:
        child = _element(raw, position, parent.stop)
        yield child
        position = child.after


def _element(raw: bytes, at: int, limit: int) -> _Element:
    tag, start, size = _head(raw, at, limit)
    if size is None:
        stop = _end_of(raw, start, limit)
        return _Element(tag, at, start, stop, stop + len(_END))
    return _Element(tag, at, start, start + size, start + size)


def _end_of(raw: bytes, at: int, limit: int) -> int:
    """Where the contents of an element without a length end."""
    depth = 1
    while at < limit:
        if raw[at : at + 2] == _END:
            depth -= 1
            if not depth:
                return at
            at += 2
            continue
        _, start, size = _head(raw, at, limit)
        depth += size is None
        at = start if size is None else start + size
    raise ValueError("a CMS element has no end")


def _head(raw: bytes, at: int, limit: int) -> tuple[int, int, int | None]:
    """Tag, start of the contents and their length, None for one that has to be looked for."""
    if at + 2 > limit:
        raise ValueError("a CMS element is cut off")
    tag, size = raw[at], raw[at + 1]
    start = at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a CMS tag is longer than any that is known")
    if size == 0x80:
        if not tag & _CONSTRUCTED:
            raise ValueError("a CMS element without a length holds none")
        return tag, start, None
    if size > 0x80:
        length = size & 0x7F
        if length > 8 or start + length > limit:
            raise ValueError("a CMS length is cut off")
        size = int.from_bytes(raw[start : start + length], "big")
        start += length
    if start + size > limit:
        raise ValueError("a CMS element is longer than what is there")
    return tag, start, size
