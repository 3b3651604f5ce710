"""Contacts as vCard 3.0 files (RFC 2426)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

import pybase64

from backups.streams.errors import MailError
from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, clean
from backups.streams.native.index import KEYWORDS
from backups.streams.native.properties import PropertyName
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node, Owner

_FOLD: Final = 75
_LINE = re.compile(r'[A-Za-z0-9.-]+((?:;[A-Za-z0-9-]+(?:=(?:"[^"]*"|[^":;])*)?)*):')
_ESCAPED = re.compile(r"([\\;,])")
_PHONES: Final = (
    ("WORK", tags.BUSINESS_TELEPHONE),
    ("WORK", tags.BUSINESS_TELEPHONE_2),
    ("CELL", tags.MOBILE_TELEPHONE),
    ("HOME", tags.HOME_TELEPHONE),
    ("HOME", tags.HOME_TELEPHONE_2),
    ("PREF", tags.PRIMARY_TELEPHONE),
    ("VOICE", tags.OTHER_TELEPHONE),
    ("CAR", tags.CAR_TELEPHONE),
    ("PAGER", tags.PAGER),
    ("WORK,FAX", tags.BUSINESS_FAX),
    ("HOME,FAX", tags.HOME_FAX),
    ("FAX", tags.PRIMARY_FAX),
)
_TEXTS: Final = (
    ("TITLE", tags.TITLE),
    ("ROLE", tags.PROFESSION),
    ("NICKNAME", tags.NICKNAME),
    ("X-SPOUSE", tags.SPOUSE_NAME),
    ("X-ASSISTANT", tags.ASSISTANT),
    ("NOTE", tags.BODY),
)
_NAME: Final = (
    tags.SURNAME,
    tags.GIVEN_NAME,
    tags.MIDDLE_NAME,
    tags.DISPLAY_NAME_PREFIX,
    tags.GENERATION,
)
_HOME: Final = (
    tags.HOME_POST_OFFICE_BOX,
    tags.HOME_STREET,
    tags.HOME_CITY,
    tags.HOME_STATE,
    tags.HOME_POSTAL_CODE,
    tags.HOME_COUNTRY,
)
_OTHER: Final = (
    tags.OTHER_POST_OFFICE_BOX,
    tags.OTHER_STREET,
    tags.OTHER_CITY,
    tags.OTHER_STATE,
    tags.OTHER_POSTAL_CODE,
    tags.OTHER_COUNTRY,
)
_WORK: Final = (
    names.WORK_POST_OFFICE_BOX,
    names.WORK_STREET,
    names.WORK_CITY,
    names.WORK_STATE,
    names.WORK_POSTAL_CODE,
    names.WORK_COUNTRY,
)


def write_vcf(payload: bytes) -> bytes:
    """The vCard of a contact in UTF-8 with CRLF line ends.

    Raises StreamError for a broken container, MailError for an item that is no contact.
    """
    stream = open_stream(payload)
    root, content = stream.scan.root, stream.content
    fields = Fields(root, content, [])
    if not fields.text(tags.MESSAGE_CLASS).upper().startswith("IPM.CONTACT"):
        raise MailError("the item is no contact")
    lines = [*_lines(fields), *_photo(root, content)]
    kept = fields.named(names.KEPT_LINES)
    texts = [clean(str(line)) for line in kept] if isinstance(kept, list) else []
    lines += [line for line in texts if _is_line(line)]
    whole = ("BEGIN:VCARD", "VERSION:3.0", *map(_folded, lines), "END:VCARD", "")
    return "\r\n".join(whole).encode("utf-8", "replace")


def _lines(fields: Fields) -> Iterator[str]:
    name = fields.text(tags.DISPLAY_NAME, tags.SUBJECT)
    yield f"FN:{_escaped(name)}"
    yield f"N:{';'.join(_escaped(fields.text(number)) for number in _NAME)}"
    for place in range(len(names.EMAILS)):
        address = _named(fields, names.email(place, 3))
        if address:
            yield f"EMAIL;TYPE=INTERNET:{_escaped(address)}"
    for kind, number in _PHONES:
        if fields.text(number):
            yield f"TEL;TYPE={kind}:{_escaped(fields.text(number))}"
    for kind, parts in (
        ("WORK", [_named(fields, name) for name in _WORK]),
        ("HOME", [fields.text(number) for number in _HOME]),
        ("POSTAL", [fields.text(number) for number in _OTHER]),
    ):
        if any(parts):
            box, *others = map(_escaped, parts)
            yield f"ADR;TYPE={kind}:{';'.join((box, '', *others))}"
    company, department = fields.text(tags.COMPANY_NAME), fields.text(tags.DEPARTMENT_NAME)
    if company or department:
        units = [_escaped(unit) for unit in department.split("; ") if unit]
        yield f"ORG:{';'.join((_escaped(company), *units))}"
    for label, number in _TEXTS:
        if fields.text(number):
            yield f"{label}:{_escaped(fields.text(number))}"
    page = _named(fields, names.WEB_PAGE) or fields.text(tags.BUSINESS_HOME_PAGE)
    if page:
        yield f"URL:{_escaped(page)}"
    for label, number in (("BDAY", tags.BIRTHDAY), ("ANNIVERSARY", tags.WEDDING_ANNIVERSARY)):
        day = fields.time(number)
        if day is not None:
            yield f"{label}:{day.date().isoformat()}"
    categories = fields.named(KEYWORDS)
    if isinstance(categories, list) and categories:
        yield f"CATEGORIES:{','.join(_escaped(clean(str(category))) for category in categories)}"


def _photo(root: Node, content: Content) -> Iterator[str]:
    for node in root.nodes(Owner.ATTACHMENT):
        fields = Fields(node, content, [])
        raw = fields.binary(tags.ATTACH_DATA)
        if fields.value(tags.ATTACHMENT_CONTACT_PHOTO) and raw:
            kind = fields.text(tags.ATTACH_MIME_TAG).rpartition("/")[2].upper()
            kind = kind if kind.isalnum() and kind.isascii() else "JPEG"
            yield f"PHOTO;ENCODING=b;TYPE={kind}:{pybase64.b64encode(raw).decode('ascii')}"


def _is_line(text: str) -> bool:
    """Whether a line that was kept is one of vCard 3.0; damaged ones stay in the item only."""
    found = _LINE.match(text)
    if found is None or "CHARSET=" in found[1].upper():
        return False
    if not re.search(r"BASE64|ENCODING=B\b", found[1].upper()):
        return True
    try:
        pybase64.b64decode(text[found.end() :].strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _escaped(text: str) -> str:
    escaped = _ESCAPED.sub(r"\\\1", text)
    return re.sub(r"\r\n|\r|\n", r"\\n", escaped)


def _folded(line: str) -> str:
    """At most 75 bytes on a line, never cut inside a character."""
    rest = re.sub(r"[\r\n]+", " ", line).encode("utf-8", "replace")
    pieces = []
    while len(rest) > _FOLD:
        end = _FOLD - 1
        while rest[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(rest[:end])
        rest = rest[end:]
    return "\r\n ".join(piece.decode("utf-8") for piece in (*pieces, rest))


def _named(fields: Fields, name: PropertyName) -> str:
    value = fields.named(name)
    return clean(value) if isinstance(value, str) else ""
