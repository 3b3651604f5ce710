"""Any file that items can be read from: which format it is in, and the items in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Final

from backups.mime_items import MARK
from backups.streams.calendars.read import read_ics
from backups.streams.contacts.read import read_vcard
from backups.streams.errors import MailError, StreamError
from backups.streams.made import Made
from backups.streams.mail.mbox import split_mbox
from backups.streams.mail.mime import from_mime
from backups.streams.mail.mime_item import native_form
from backups.streams.native.container import decode_export
from backups.streams.outlook.msg_read import read_msg
from backups.streams.outlook.pst import read_store
from backups.streams.outlook.tnef import is_tnef, read_tnef

NATIVE: Final = bytes.fromhex("01000000 08000000")
"""The first operation of every payload: Config, eight bytes."""

_NATIVE_TEXT: Final = b"AQAAAAgAAAA"
_STORE: Final = b"!BDN"
_COMPOUND: Final = bytes.fromhex("D0CF11E0A1B11AE1")
_HEAD: Final = 512
_SUFFIXES: Final = {
    ".fts": "native",
    ".b64": "text",
    ".ics": "ics",
    ".vcs": "ics",
    ".ifb": "ics",
    ".vcf": "vcf",
    ".msg": "msg",
    ".mbox": "mbox",
    ".dat": "tnef",
    ".tnef": "tnef",
    ".pst": "store",
    ".ost": "store",
}


@dataclass(frozen=True, slots=True)
class Input:
    """An item of a file: its payload, or the reason why there is none.

    ``label`` is the file's name, with "#" and what names the item where the file holds several.
    ``folder`` is where a store has it.
    """

    label: str
    payload: bytes | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()


def read_file(path: Path) -> Iterator[Input]:
    """The items of a file; raises OSError when it can't be read.

    Every object in it is given, those that can't be read with their reason. What is no other
    format is taken for a mail.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_STORE):
        return _from_store(path)
    return read_bytes(path.name, path.read_bytes())


def read_bytes(name: str, raw: bytes) -> Iterator[Input]:
    """The items of a file's ``raw`` bytes; a store (.pst) can only be read from a disk."""
    kind = _kind_of(name, raw)
    try:
        match kind:
            case "store":
                yield Input(name, reason="an Outlook store is read from a file only")
            case "native":
                yield Input(name, raw)
            case "mime item":
                yield Input(name, native_form(raw))
            case "text":
                yield Input(name, decode_export(raw))
            case "mbox":
                mails = (_from_mail(f"mail {n}", one) for n, one in enumerate(split_mbox(raw), 1))
                yield from _several(name, mails)
            case "ics":
                yield from _several(name, read_ics(raw))
            case "vcf":
                yield from _several(name, read_vcard(raw))
            case "msg":
                yield _one(name, read_msg(raw))
            case "tnef":
                yield _one(name, read_tnef(raw))
            case _:
                yield _one(name, _from_mail("mail", raw))
    except StreamError as error:
        yield Input(name, reason=str(error))


def _kind_of(name: str, raw: bytes) -> str:
    """By the first bytes, which don't lie; else by the name."""
    head = raw[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    starts = (
        (NATIVE, "native"),
        (MARK, "mime item"),
        (_NATIVE_TEXT, "text"),
        (_STORE, "store"),
        (_COMPOUND, "msg"),
        (b"BEGIN:VCALENDAR", "ics"),
        (b"BEGIN:VCARD", "vcf"),
    )
    for start, kind in starts:
        if raw.startswith(start) or head.upper().startswith(start):
            return kind
    if is_tnef(raw):
        return "tnef"
    known = _SUFFIXES.get(PurePath(name).suffix.lower(), "")
    return "mbox" if not known and raw.startswith(b"From ") else known


def _from_store(path: Path) -> Iterator[Input]:
    try:
        for number, item in enumerate(read_store(path), start=1):
            made = item.made
            yield Input(
                f"{path.name}#{number} {made.label}",
                made.payload,
                made.reason,
                made.notes,
                item.folder,
            )
    except MailError as error:
        yield Input(path.name, reason=str(error))


def _from_mail(label: str, raw: bytes) -> Made:
    try:
        return Made(label, from_mime(raw))
    except MailError as error:
        return Made(label, reason=str(error))


def _several(name: str, found: Iterator[Made]) -> Iterator[Input]:
    """A file's name alone stands for the only item in it."""
    first = list(islice(found, 2))
    if len(first) < 2:
        yield from (_one(name, made) for made in first)
        return
    for made in first:
        yield _one(f"{name}#{made.label}", made)
    for made in found:
        yield _one(f"{name}#{made.label}", made)


def _one(label: str, made: Made) -> Input:
    return Input(label, made.payload, made.reason, made.notes)
