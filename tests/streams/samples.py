"""Streams that the tests share: one assembled by hand, and a small maker of others."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

from backups.streams import Attachment, Item, Property, PropertyName, Recipient
from backups.streams.native import tags
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    INTEGER32,
    INTEGER64,
    MULTIPLE,
    STRING,
    TIME,
    UNICODE,
)

BUILD = (15, 20, 4566, 6022)
SENT = datetime(2010, 3, 31, 21, 14, 4, tzinfo=UTC)

PREFIX = """
    01000000 08000000  00000000 01000000                    Config: CopyTo
    03000000 18000000  01000000                             IsInterfaceOk
        07030200 0000 0000 C000 000000000046                  IID_IMessage
        00240080
    04000000 06000000  140F D691 8617                       TellPartnerVersion 15.20.4566.6022
"""

# MS-OXCFXICS 2.2.4: every value little endian, a tag is type then id.
MESSAGE = """
    E484 0840  04000000  2F6F3D00                           MetaTagDnPrefix, cp1252 "/o="
    0300 1700  02000000                                     PidTagImportance 2
    B084 1A00  12000000  490050004D002E004E006F00740065000000   PidTagMessageClass "IPM.Note"
    0B00 2900  0100                                         PidTagReadReceiptRequested, 2 bytes
    B084 3700  08000000  480069002100 0000                  PidTagSubject "Hi!"
    4000 3900  00765E17 17D1CA01                            PidTagClientSubmitTime
    0201 7100  03000000  01CA09                             PidTagConversationIndex
    0300 070E  11000000                                     PidTagMessageFlags: read, attachments
    E484 0010  05000000  6361668500                         PidTagBody, cp1252 "caf…"
    1F10 0380                                               PidNameKeywords, many strings
        29030200 0000 0000 C000 000000000046                  PS_PUBLIC_STRINGS
        01 4B006500790077006F007200640073000000               by name
        02000000  04000000 61000000  06000000 620063000000    "a", "bc"
    1400 0480                                               a number named by number
        08200600 0000 0000 C000 000000000046                  PSETID_Common
        00 10850000  FFFFFFFF FFFFFFFF                        LID 0x8510, -1
    4810 0580                                               GUIDs, named by number
        08200600 0000 0000 C000 000000000046
        00 11850000  01000000 00112233445566778899AABBCCDDEEFF
    0310 0680                                               integers, none of them
        08200600 0000 0000 C000 000000000046
        00 12850000  00000000
    0300 1640  0D00120E                                     MetaTagFXDelProp: recipients
    0300 0340                                               StartRecip
    0300 150C  01000000                                     PidTagRecipientType: to
    B084 0130  08000000  420065006E00 0000                  PidTagDisplayName "Ben"
    B084 FE39  0C000000  6200400065002E00 6F00 0000         PidTagSmtpAddress "b@e.o"
    0300 0440                                               EndToRecip
    0300 1640  0D00130E                                     MetaTagFXDelProp: attachments
    0300 0040                                               NewAttach
    0300 210E  00000000                                     PidTagAttachNumber
    0201 0137  05000000  0001020304                         PidTagAttachDataBinary
    B084 0737  08000000  61002E006200 0000                  PidTagAttachLongFilename "a.b"
    0300 0E40                                               EndAttach
    0300 0040                                               NewAttach
    0300 210E  01000000
    0300 0140                                               StartEmbed
    B084 3700  06000000  49006E000000                       PidTagSubject "In"
    0300 0240                                               EndEmbed
    0300 0E40                                               EndAttach
"""


def from_hex(text: str) -> bytes:
    """The bytes of a listing: hexadecimal words; what follows them on a line is commentary."""
    found = bytearray()
    for line in text.splitlines():
        for word in line.split():
            if len(word) % 2 or not all(c in "0123456789ABCDEF" for c in word):
                break
            found += bytes.fromhex(word)
    return bytes(found)


def framed(content: bytes, *sizes: int) -> bytes:
    """A payload with ``content`` in TransferBuffers of ``sizes``, the rest in a last one."""
    payload = from_hex(PREFIX)
    position = 0
    for size in (*sizes, len(content) - sum(sizes)):
        payload += struct.pack("<II", 2, size) + content[position : position + size]
        position += size
    return payload


def golden() -> bytes:
    """The hand-made message, its content cut in the middle of a tag and of a value."""
    return framed(from_hex(MESSAGE), 1, 50)


def letter(
    *,
    body: str = "Hello",
    attachment: bytes = b"attached",
    extra: list[Property] | None = None,
    embedded: Item | None = None,
) -> Item:
    """A mail from Anna to Ben with one attachment."""
    files = [
        Attachment(
            [
                Property.of(tags.ATTACH_LONG_FILENAME, UNICODE, "plan.pdf"),
                Property.of(tags.ATTACH_DATA, BINARY, attachment),
            ]
        )
    ]
    if embedded is not None:
        files.append(Attachment([Property.of(tags.ATTACH_METHOD, INTEGER32, 5)], embedded))
    return Item(
        properties=[
            Property.of(tags.MESSAGE_CLASS, UNICODE, "IPM.Note"),
            Property.of(tags.SUBJECT, UNICODE, "Plans for März"),
            Property.of(tags.SENT_REPRESENTING_NAME, UNICODE, "Anna"),
            Property.of(tags.SENT_REPRESENTING_SMTP_ADDRESS, UNICODE, "anna@acme.example"),
            Property.of(tags.CLIENT_SUBMIT_TIME, TIME, SENT),
            Property.of(tags.MESSAGE_FLAGS, INTEGER32, 1),
            Property.of(tags.INTERNET_MESSAGE_ID, UNICODE, "<plans@acme.example>"),
            Property.of(tags.BODY, UNICODE, body),
            *(extra or []),
        ],
        recipients=[
            Recipient(
                [
                    Property.of(tags.RECIPIENT_TYPE, INTEGER32, 1),
                    Property.of(tags.DISPLAY_NAME, UNICODE, "Ben"),
                    Property.of(tags.SMTP_ADDRESS, UNICODE, "ben@acme.example"),
                ]
            )
        ],
        attachments=files,
    )


KEYWORDS = PropertyName(tags.PS_PUBLIC_STRINGS, name="Keywords")
NUMBERED = PropertyName(tags.PS_PUBLIC_STRINGS, lid=0x8510)

__all__ = [
    "BINARY",
    "BOOLEAN",
    "BUILD",
    "INTEGER32",
    "INTEGER64",
    "KEYWORDS",
    "MESSAGE",
    "MULTIPLE",
    "NUMBERED",
    "PREFIX",
    "SENT",
    "STRING",
    "TIME",
    "UNICODE",
    "framed",
    "from_hex",
    "golden",
    "letter",
]
