"""Signed and encrypted mail (MS-OXOSMIME): kept as one attachment that nothing may touch."""

from __future__ import annotations

import re
from typing import Final

from backups.streams.mail.entities import Entity
from backups.streams.mail.files import OutgoingFile
from backups.streams.mail.headers import content_type
from backups.streams.mail.letter import File
from backups.streams.mail.wire import parameter

CLEAR_SIGNED: Final = "IPM.Note.SMIME.MultipartSigned"
OPAQUE: Final = "IPM.Note.SMIME"
SIGNED_NAME: Final = "smime.p7m"
SIGNED_TYPE: Final = "multipart/signed"
OPAQUE_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})

HEAD_SIZE: Final = 16_384
"""Bytes at the start of an attachment that say what it is."""

_CMS_TYPES: Final = (
    (bytes.fromhex("06092a864886f70d010702"), "signed-data"),
    (bytes.fromhex("06092a864886f70d010703"), "enveloped-data"),
    (bytes.fromhex("060b2a864886f70d0109100117"), "authEnveloped-data"),
    (bytes.fromhex("060b2a864886f70d0109100109"), "compressed-data"),
)
"""Object identifiers at the start of a CMS object (RFC 5652, 5083, 3274) and their smime-type."""

_SIGNED_HEAD = re.compile(
    rb"(?:content-[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?content-type:\s*multipart/", re.IGNORECASE
)
_CONTENT_FIELD = re.compile(rb"^content-[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)
_LONE_LINE_FEED = re.compile(rb"(?<!\r)\n")


def is_clear_signed(entity: Entity) -> bool:
    """Whether ``entity`` is signed and its text can be read; of any protocol, as servers do."""
    return entity.kind == SIGNED_TYPE and bool(entity.children)


def clear_signed_file(entity: Entity) -> File:
    """The attachment: the whole multipart/signed entity with its Content- fields.

    The signature is over CRLF line ends; a mail that a Unix program has stored gets them back.
    """
    fields = b"".join(_CONTENT_FIELD.findall(entity.head))
    content = fields + b"\r\n" + entity.raw[entity.body : entity.stop]
    if not entity.head.endswith(b"\r\n"):
        content = _LONE_LINE_FEED.sub(b"\r\n", content)
    return File(SIGNED_NAME, SIGNED_TYPE, attached=True, content=content)


def is_opaque(entity: Entity, files: list[File]) -> bool:
    """Whether the mail is one CMS object: encrypted, or signed with its text inside."""
    if entity.children or len(files) != 1:
        return False
    suffixed = files[0].name.lower().endswith(".p7m")
    return entity.kind in OPAQUE_TYPES or (entity.kind == "application/octet-stream" and suffixed)


def has_signed_head(first: bytes) -> bool:
    """Whether an attachment begins as a whole multipart entity."""
    return _SIGNED_HEAD.match(first) is not None


def is_cms(first: bytes) -> bool:
    return first[:1] == b"\x30"


def opaque_fields(file: OutgoingFile, first: bytes, original: str) -> list[str]:
    """The header of an opaque part; its type is the mail's own where that was kept."""
    kind = content_type(original)[0]
    if kind in OPAQUE_TYPES or kind == "application/octet-stream":
        written = "\r\n".join(line.rstrip() for line in original.strip().split("\n"))
        return [f"Content-Type: {written}", *file.fields("base64")[1:]]
    written = f"application/pkcs7-mime; {parameter('name', file.name or SIGNED_NAME)}"
    for identifier, smime_type in _CMS_TYPES:
        if identifier in first[:32]:
            written += f"; smime-type={smime_type}"
    return [f"Content-Type: {written}", *file.fields("base64")[1:]]
