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

_SIZES: Final = (6, 12, 20, 32, 48, 70, 100, 170, 320)
"""KiB of an office's attachments, the small ones more often: slides, tables, letters, pictures."""
_POOL: Final = 45
_SEED: Final = 20_261_123


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
    chance = random.Random(_SEED)
    pool = [chance.randbytes(_SIZES[n % len(_SIZES)] * 1024) for n in range(_POOL)]
    mails = [path for path in files(folder) if path.suffix == ".eml"]
    for path in mails[:: max(len(mails) // OFFICE_ITEMS, 1)]:
        raw = path.read_bytes()
        if chance.random() < 1 / 3:
            raw = _with(raw, [chance.choice(pool) for _ in range(chance.randint(1, 3))])
        try:
            yield from_mime(raw)
        except StreamError:
            continue


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
