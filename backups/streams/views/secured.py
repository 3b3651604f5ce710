"""S/MIME messages (MS-OXOSMIME, RFC 8551): the text inside a signed one, and who signed it.

Nothing is verified: a signature's trust depends on the reader's own list of authorities.
"""

from __future__ import annotations

import email
import email.message
import email.policy
from collections.abc import Iterator
from typing import Final

from backups.streams.native import tags
from backups.streams.native.charsets import decode_header, decode_text
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, clean, note
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.cms import AUTH_ENVELOPED, ENVELOPED, SIGNED, content_type, read_signed
from backups.streams.views.details import Protection, RightsProtectedView, SignedView
from backups.streams.views.kinds import is_rights_protected
from backups.streams.views.model import Body, Origin

MAX_ENTITY: Final = 16 * 1024 * 1024
"""Bytes of a signed entity that is taken apart."""

MAX_PARTS: Final = 1_000
MAX_FILES: Final = 100

_SIGNATURES: Final = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_MAX_MULTIPARTS: Final = 100
"""Multiparts in an entity that is taken apart: the parser calls itself for those inside others."""


def signed_of(node: Node, content: Content, notes: list[str]) -> tuple[SignedView, Body]:
    """What the S/MIME message at ``node`` is, and the body that is inside its signature.

    The body is empty where there is none to be read.
    """
    unknown = SignedView(Protection.UNKNOWN), Body()
    attachment = next(node.nodes(Owner.ATTACHMENT), None)
    if attachment is None:
        note(notes, "S/MIME: the message has no attachment that would hold it")
        return unknown
    fields = Fields(attachment, content, notes)
    if fields.length(tags.ATTACH_DATA) > MAX_ENTITY:
        note(notes, f"S/MIME: {fields.length(tags.ATTACH_DATA)} bytes are more than is looked into")
        return unknown
    raw = fields.binary(tags.ATTACH_DATA)
    try:
        if fields.text(tags.ATTACH_MIME_TAG).lower().startswith("multipart/signed"):
            return _clear(raw, notes)
        return _opaque(raw, notes)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        note(notes, f"S/MIME: {error}")
        return unknown


def rights_protected_of(node: Node, content: Content) -> RightsProtectedView:
    for number, child in enumerate(node.nodes(Owner.ATTACHMENT)):
        if is_rights_protected(child, content):
            return RightsProtectedView(number)
    return RightsProtectedView()


def _clear(raw: bytes, notes: list[str]) -> tuple[SignedView, Body]:
    """multipart/signed: the text as it is, and a signature beside it."""
    parts = list(_parts(raw))
    signers: tuple[str, ...] = ()
    for part in parts:
        if part.get_content_type() in _SIGNATURES:
            signers = _signers(_bytes(part), notes)
    body, files = _inside([part for part in parts if part.get_content_type() not in _SIGNATURES])
    return SignedView(Protection.SIGNED_CLEAR, signers, files), body


def _opaque(raw: bytes, notes: list[str]) -> tuple[SignedView, Body]:
    """application/pkcs7-mime: one CMS message, whose content is the entity when it is signed."""
    kind = content_type(raw)
    if kind in (ENVELOPED, AUTH_ENVELOPED):
        return SignedView(Protection.ENCRYPTED), Body()
    if kind != SIGNED:
        raise ValueError("a kind of CMS message that is not known")
    signed = read_signed(raw)
    if signed.content is None:
        return SignedView(Protection.SIGNED_OPAQUE, signed.signers), Body()
    body, files = _inside(list(_parts(signed.content)))
    return SignedView(Protection.SIGNED_OPAQUE, signed.signers, files), body


def _signers(raw: bytes, notes: list[str]) -> tuple[str, ...]:
    try:
        return read_signed(raw).signers
    except ValueError as error:
        note(notes, f"S/MIME signature: {error}")
        return ()


def _parts(raw: bytes) -> Iterator[email.message.Message]:
    """The leaves of a MIME entity, in order."""
    if raw.lower().count(b"multipart/") + raw.lower().count(b"message/") > _MAX_MULTIPARTS:
        raise ValueError("its parts are nested too often to be looked into")
    entity = email.message_from_bytes(raw, policy=email.policy.compat32)
    pending = [entity]
    count = 0
    while pending and count < MAX_PARTS:
        part = pending.pop()
        count += 1
        inner = part.get_payload()
        if isinstance(inner, list) and part.get_content_maintype() == "multipart":
            children = [one for one in inner if isinstance(one, email.message.Message)]
            pending += reversed(children)
        else:
            yield part


def _inside(parts: list[email.message.Message]) -> tuple[Body, tuple[str, ...]]:
    text = html = ""
    files: list[str] = []
    for part in parts:
        name = clean(decode_header(part.get_filename() or ""))
        kind = part.get_content_type()
        if kind == "text/plain" and not name and not text:
            text = _text(part)
        elif kind == "text/html" and not name and not html:
            html = _text(part)
        elif len(files) < MAX_FILES:
            files.append(name or kind)
    return Body(text, html, Origin.SIGNED_PART if text or html else Origin.NONE), tuple(files)


def _text(part: email.message.Message) -> str:
    charset = part.get_content_charset()
    return clean(decode_text(_bytes(part), charset))


def _bytes(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
