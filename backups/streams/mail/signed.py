"""Signed and encrypted mail (MS-OXOSMIME): kept as one attachment that nothing may touch."""

from __future__ import annotations

import re
from typing import Final

from backups.streams.mail.entities import Entity
from backups.streams.mail.letter import File

CLEAR_SIGNED: Final = "IPM.Note.SMIME.MultipartSigned"
OPAQUE: Final = "IPM.Note.SMIME"
SIGNED_NAME: Final = "smime.p7m"
SIGNED_TYPE: Final = "multipart/signed"
OPAQUE_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})

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
