"""The streams that are measured, made from a folder of real files before any clock runs."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from backups.streams import StreamError, from_ics, from_mime, from_msg, from_vcard

OFFICE_ITEMS: Final = 1_000
"""Mails of the office set at most: it is there for the mean, not for the number."""
MAILBOXES: Final = 8

_SIZES: Final = (6, 12, 20, 32, 48, 70, 100, 170, 320)
"""KiB of an office's attachments, the small ones more often: slides, tables, letters, pictures."""
_POOL: Final = 45
_SHARED: Final = 0.15
"""Of the attachments that are sent, those of documents that go around; the others are new."""
_SEED: Final = 20_261_123
_MESSAGE_FLAGS: Final = bytes.fromhex("0300070e")
"""The tag of PidTagMessageFlags, as a stream has it before the value."""


def _single(make: Callable[[bytes], bytes]) -> Callable[[bytes], list[bytes]]:
    return lambda raw: [make(raw)]


_MAKERS: Final[dict[str, Callable[[bytes], list[bytes]]]] = {
    ".eml": _single(from_mime),
    ".msg": _single(from_msg),
    ".ics": from_ics,
    ".vcf": from_vcard,
}


def files(folder: Path) -> list[Path]:
    """The files below ``folder`` that hold items, in order of name."""
    return sorted(p for p in folder.rglob("*") if p.suffix in _MAKERS and p.is_file())


def real(folder: Path) -> Iterator[bytes]:
    """Streams of all files that can be read."""
    for path in files(folder):
        try:
            yield from _MAKERS[path.suffix](path.read_bytes())
        except StreamError:
            continue


def office(folder: Path) -> Iterator[bytes]:
    """Streams of mails with attachments as offices send them: a third have one to three, which
    are compressed files and so look like random bytes. The same for the same folder."""
    for raw in _office_mails(folder, shared=1.0):
        try:
            yield from_mime(raw)
        except StreamError:
            continue


def _office_mails(folder: Path, *, shared: float) -> Iterator[bytes]:
    """``shared``: the share of attachments that other mails have too."""
    chance = random.Random(_SEED)
    pool = [chance.randbytes(_SIZES[n % len(_SIZES)] * 1024) for n in range(_POOL)]
    mails = _mails(folder)
    for number, path in enumerate(mails[:: max(len(mails) // OFFICE_ITEMS, 1)]):
        raw = path.read_bytes()
        if chance.random() < 1 / 3:
            contents = [chance.choice(pool) for _ in range(chance.randint(1, 3))]
            if shared < 1:
                own = random.Random(number)
                contents = [
                    content if own.random() < shared else own.randbytes(len(content))
                    for content in contents
                ]
            raw = _with(raw, contents)
        yield raw


def _mails(folder: Path) -> list[Path]:
    return [path for path in files(folder) if path.suffix == ".eml"]


def _with(raw: bytes, attachments: list[bytes]) -> bytes:
    """A mail that forwards ``raw`` with attachments beside it."""
    mark = b"office-%d" % len(raw)
    parts = [b"Content-Type: message/rfc822\r\n\r\n" + raw]
    parts += (
        b"Content-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="plan-%d.docx"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n%s" % (number, base64.encodebytes(content))
        for number, content in enumerate(attachments)
    )
    head = b"Subject: Plan\r\nFrom: anna@acme.example\r\nMIME-Version: 1.0\r\n"
    head += b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n" % mark
    body = b"".join(b"--%s\r\n%s\r\n" % (mark, part) for part in parts)
    return head + body + b"--%s--\r\n" % mark


def dealt(folder: Path) -> Iterator[tuple[int, bytes]]:
    """The small set: a mailbox's number and an item stream for each mail as it is.

    They are dealt by chance, so that mailboxes are alike.
    """
    chance = random.Random(_SEED)
    for path in _mails(folder):
        mailbox = chance.randrange(MAILBOXES)
        try:
            yield mailbox, from_mime(path.read_bytes())
        except StreamError:
            continue


def sent(folder: Path) -> Iterator[tuple[int, bytes]]:
    """The office set: mails as ``office`` has them, each sent to one to eight mailboxes.

    Every copy has its own Received fields and is read or not. The same for the same folder.
    """
    chance = random.Random(_SEED)
    for raw in _office_mails(folder, shared=_SHARED):
        for mailbox in sorted(chance.sample(range(MAILBOXES), chance.randint(1, MAILBOXES))):
            try:
                payload = from_mime(_received(mailbox, chance) + raw)
            except StreamError:
                continue
            yield mailbox, _read(payload) if chance.random() < 0.6 else payload


def _received(mailbox: int, chance: random.Random) -> bytes:
    """The fields of two servers, which name the recipient and an id of their own."""
    return b"".join(
        b"Received: from %s.acme.example (2001:db8::%x) by %s.acme.example (2001:db8::%x)\r\n"
        b" with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id\r\n"
        b" 15.20.%d.%d via Mailbox Transport; for <person-%d@acme.example>;\r\n"
        b" Mon, 23 Nov 2026 10:%02d:%02d +0000\r\n"
        % (
            chance.randbytes(4).hex().encode(),
            chance.randrange(65_536),
            b"mbx-%d" % mailbox,
            chance.randrange(65_536),
            chance.randrange(9_999),
            chance.randrange(99),
            mailbox,
            chance.randrange(60),
            chance.randrange(60),
        )
        for _ in range(2)
    )


def _read(payload: bytes) -> bytes:
    """The same item, read: mfRead is set in PidTagMessageFlags (MS-OXCMSG 2.2.1.6)."""
    at = payload.find(_MESSAGE_FLAGS)
    if at < 0:
        return payload
    place = at + len(_MESSAGE_FLAGS)
    return payload[:place] + bytes([payload[place] | 1]) + payload[place + 1 :]
