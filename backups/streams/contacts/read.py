"""From vCard files (2.1, 3.0, 4.0) to contacts (MS-OXOCNTC).

Each line stands for itself: one that can't be read, or that Outlook has no place for, is kept as
text (``names.KEPT_LINES``) and costs nothing else of its card.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import pybase64
from vobject.base import ParseError, parseLine

from backups.streams.blocks import Block, outline
from backups.streams.errors import MailError, StreamError
from backups.streams.made import Made, payloads
from backups.streams.native import names, tags
from backups.streams.native.assembly import SERVER_BUILD, Draft, file_attachment, flag, text, time
from backups.streams.native.charsets import decode_text
from backups.streams.native.index import KEYWORDS
from backups.streams.native.item import write_item

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")
_NAME = (
    tags.SURNAME,
    tags.GIVEN_NAME,
    tags.MIDDLE_NAME,
    tags.DISPLAY_NAME_PREFIX,
    tags.GENERATION,
)
_HOME = (
    tags.HOME_POST_OFFICE_BOX,
    0,
    tags.HOME_STREET,
    tags.HOME_CITY,
    tags.HOME_STATE,
    tags.HOME_POSTAL_CODE,
    tags.HOME_COUNTRY,
)
_OTHER = (
    tags.OTHER_POST_OFFICE_BOX,
    0,
    tags.OTHER_STREET,
    tags.OTHER_CITY,
    tags.OTHER_STATE,
    tags.OTHER_POSTAL_CODE,
    tags.OTHER_COUNTRY,
)
_WORK = (
    names.WORK_POST_OFFICE_BOX,
    None,
    names.WORK_STREET,
    names.WORK_CITY,
    names.WORK_STATE,
    names.WORK_POSTAL_CODE,
    names.WORK_COUNTRY,
)
_PHONES: Final[tuple[tuple[frozenset[str], tuple[int, ...]], ...]] = (
    # Types that a line must have, and the places it may take, in order.
    (frozenset({"FAX", "HOME"}), (tags.HOME_FAX,)),
    (frozenset({"FAX", "WORK"}), (tags.BUSINESS_FAX,)),
    (frozenset({"FAX"}), (tags.PRIMARY_FAX, tags.BUSINESS_FAX)),
    (frozenset({"PAGER"}), (tags.PAGER,)),
    (frozenset({"CAR"}), (tags.CAR_TELEPHONE,)),
    (frozenset({"CELL"}), (tags.MOBILE_TELEPHONE,)),
    (frozenset({"HOME"}), (tags.HOME_TELEPHONE, tags.HOME_TELEPHONE_2)),
    (frozenset({"WORK"}), (tags.BUSINESS_TELEPHONE, tags.BUSINESS_TELEPHONE_2)),
    (frozenset({"PREF"}), (tags.PRIMARY_TELEPHONE,)),
    (frozenset(), (tags.OTHER_TELEPHONE, tags.PRIMARY_TELEPHONE)),
)
_TEXTS: Final = {
    "TITLE": tags.TITLE,
    "ROLE": tags.PROFESSION,
    "NICKNAME": tags.NICKNAME,
    "X-SPOUSE": tags.SPOUSE_NAME,
    "X-ASSISTANT": tags.ASSISTANT,
}
_DATES: Final = {"BDAY": tags.BIRTHDAY, "ANNIVERSARY": tags.WEDDING_ANNIVERSARY}
_PASSED_OVER: Final = frozenset({"BEGIN", "END", "VERSION", "PRODID", "REV"})
_DATA_URI = re.compile(r"data:([\w/+.-]*)[^,]*;base64,", re.IGNORECASE)
_PHOTO_TYPES: Final = {"PNG": "png", "GIF": "gif"}


@dataclass(frozen=True, slots=True)
class Line:
    """A content line. ``kinds`` are its types and encodings, in capitals."""

    name: str
    kinds: frozenset[str]
    value: str
    original: str

    @property
    def text(self) -> str:
        return unescape(self.value).strip()

    def fields(self, mark: str = ";") -> list[str]:
        return split(self.value, mark)


@dataclass(slots=True)
class _Card:
    draft: Draft = field(default_factory=Draft)
    taken: set[int] = field(default_factory=set)
    emails: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    display: str = ""
    parts: list[str] = field(default_factory=list)
    company: str = ""
    body: list[str] = field(default_factory=list)
    web: str = ""
    categories: list[str] = field(default_factory=list)
    photo: tuple[str, bytes] | None = None


def from_vcard(raw: bytes) -> list[bytes]:
    """The item streams of a vCard file; raises MailError for the first card that gives none."""
    return payloads(read_vcard(raw))


def read_vcard(raw: bytes) -> Iterator[Made]:
    """Every card of a file with its stream or the reason why it has none.

    Raises MailError for a file that holds no card.
    """
    found = outline(raw)
    cards = [block for block in found.blocks if block.name == "VCARD"]
    if not cards:
        raise MailError("the file holds no vCard")
    for number, block in enumerate(cards, start=1):
        yield _made(block, number)


def _made(block: Block, number: int) -> Made:
    label = f"card {number}"
    if not block.closed:
        return Made(label, reason="it ends before END:VCARD")
    try:
        card = _read(block)
        name = _finish(card)
        payload = write_item(card.draft.item(), build=SERVER_BUILD)
    except (StreamError, ValueError, LookupError, RecursionError) as error:
        return Made(label, reason=f"the card can't be read: {error}")
    return Made(f"{label}, {name}", payload, notes=tuple(card.notes))


def _read(block: Block) -> _Card:
    card = _Card()
    depth = 0
    for original in _values_joined(block.lines):
        line = _parsed(original)
        depth += original.upper().startswith("BEGIN:")
        nested = depth > 1
        depth -= original.upper().startswith("END:")
        if nested:  # the card of an agent
            card.kept.append(original)
            continue
        if line is None:
            if original.strip():
                card.kept.append(original)
                card.notes.append(f"a line that can't be read is kept as text: {original[:60]}")
        elif line.name not in _PASSED_OVER and line.value and not _take(card, line):
            card.kept.append(_plain(line))
    return card


def _take(card: _Card, line: Line) -> bool:
    """Put the line into its place; False when there is none, or it is taken."""
    name, draft = line.name, card.draft
    if name == "FN":
        card.display = card.display or line.text
    elif name == "N":
        return _take_name(card, line.fields())
    elif name == "EMAIL" and len(card.emails) < len(names.EMAILS):
        card.emails.append(line.text.removeprefix("mailto:"))
    elif name == "TEL":
        return _take_phone(card, line)
    elif name == "ADR":
        return _take_address(card, line)
    elif name == "ORG" and not card.company:
        card.company, *units = [*line.fields(), ""]
        draft.add_text(tags.COMPANY_NAME, card.company)
        draft.add_text(tags.DEPARTMENT_NAME, "; ".join(unit for unit in units if unit))
    elif name == "NOTE":
        card.body.append(line.text)
    elif name == "URL" and not card.web:
        card.web = line.text
    elif name == "CATEGORIES":
        card.categories += [entry.strip() for entry in line.fields(",") if entry.strip()]
    elif name in ("PHOTO", "LOGO") and card.photo is None:
        card.photo = _photo(line) if name == "PHOTO" else None
        return card.photo is not None
    elif name in _DATES:
        return _take_date(card, _DATES[name], line.text)
    elif name in _TEXTS and _free(card, _TEXTS[name]):
        draft.add_text(_TEXTS[name], line.text)
    else:
        return False
    return True


def _take_name(card: _Card, parts: list[str]) -> bool:
    if card.parts:
        return False
    card.parts = parts
    for number, part in zip(_NAME, parts, strict=False):
        card.draft.add_text(number, part)
    return len(parts) <= len(_NAME)


def _take_phone(card: _Card, line: Line) -> bool:
    for needed, places in _PHONES:
        if needed <= line.kinds:
            for number in places:
                if _free(card, number):
                    card.draft.add_text(number, line.text.removeprefix("tel:"))
                    return True
    return False


def _take_address(card: _Card, line: Line) -> bool:
    parts = [*line.fields(), *[""] * 7][:7]
    if parts[1]:  # the extended address has no place of its own
        parts[2], parts[1] = "\r\n".join(part for part in parts[1:3] if part), ""
    shown = "\r\n".join(
        part for part in (parts[2], f"{parts[5]} {parts[3]}".strip(), *parts[4::2]) if part
    )
    if "HOME" in line.kinds and _free(card, tags.HOME_STREET):
        whole, fields = names.HOME_ADDRESS, _HOME
    elif "WORK" in line.kinds and _free(card, -1):
        for name, part in zip(_WORK, parts, strict=True):
            if name is not None:
                card.draft.name_text(name, part)
        card.draft.name_text(names.WORK_ADDRESS, shown)
        return True
    elif _free(card, tags.OTHER_STREET):
        whole, fields = names.OTHER_ADDRESS, _OTHER
    else:
        return False
    for number, part in zip(fields, parts, strict=True):
        card.draft.add_text(number, part)
    card.draft.name_text(whole, shown)
    return True


def _take_date(card: _Card, number: int, value: str) -> bool:
    """A whole date; one without its year has no place in Outlook."""
    found = _DATE.match(value)
    if found is None or not _free(card, number):
        return False
    try:
        moment = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
        card.draft.add(time(number, moment))
    except ValueError:
        return False
    return True


def _photo(line: Line) -> tuple[str, bytes] | None:
    uri = _DATA_URI.match(line.value)
    if not uri and not line.kinds & {"B", "BASE64"}:
        return None
    encoded = line.value[uri.end() :] if uri else line.value
    suffix = next((s for kind, s in _PHOTO_TYPES.items() if kind in line.kinds), "jpg")
    if uri:
        suffix = {"image/png": "png", "image/gif": "gif"}.get(uri[1].lower(), "jpg")
    compact = re.sub(r"[^A-Za-z0-9+/]", "", encoded)
    try:
        content = pybase64.b64decode(compact + "=" * (-len(compact) % 4))
    except (binascii.Error, ValueError):
        return None
    return (suffix, content) if content else None


def _free(card: _Card, place: int) -> bool:
    """Whether nothing stands there yet; from now on something does."""
    if place in card.taken:
        return False
    card.taken.add(place)
    return True


def _finish(card: _Card) -> str:
    """What follows from all lines together. The contact's display name."""
    draft = card.draft
    family, given = [*card.parts, "", ""][:2]
    made_up = " ".join(part for part in (given, family) if part)
    name = card.display or made_up or card.company or next(iter(card.emails), "")
    filed = ", ".join(part for part in (family, given) if part) or name
    draft.add(text(tags.MESSAGE_CLASS, "IPM.Contact"), text(tags.SUBJECT, name))
    draft.add(text(tags.NORMALIZED_SUBJECT, name), text(tags.DISPLAY_NAME, name))
    draft.add_text(tags.BODY, "\r\n\r\n".join(card.body))
    draft.name_text(names.FILE_UNDER, filed)
    draft.name_text(names.WEB_PAGE, card.web)
    draft.add_text(tags.BUSINESS_HOME_PAGE, card.web)
    for place, address in enumerate(card.emails):
        draft.name_text(names.email(place, 0), f"{name} ({address})" if name else address)
        draft.name_text(names.email(place, 2), "SMTP")
        draft.name_text(names.email(place, 3), address)
        draft.name_text(names.email(place, 4), address)
    draft.name_texts(KEYWORDS, card.categories)
    draft.name_texts(names.KEPT_LINES, card.kept)
    if card.photo:
        suffix, content = card.photo
        mime_type = f"image/{suffix.replace('jpg', 'jpeg')}"
        photo = file_attachment(0, f"ContactPicture.{suffix}", mime_type, content)
        photo.properties.append(flag(tags.ATTACHMENT_CONTACT_PHOTO, True))
        draft.attachments.append(photo)
        draft.name_flag(names.HAS_PICTURE, True)
    return name or "without a name"


def _plain(line: Line) -> str:
    """A line as it is kept: without quoted-printable, which is of vCard 2.1 only."""
    if "QUOTED-PRINTABLE" not in line.kinds:
        return line.original
    kinds = ",".join(sorted(line.kinds - {"QUOTED-PRINTABLE"}))
    value = line.value.replace("\r\n", "\n").replace("\n", "\\n")
    return f"{line.name};TYPE={kinds}:{value}" if kinds else f"{line.name}:{value}"


def _values_joined(lines: Iterable[str]) -> Iterator[str]:
    """Lines, with those that have no colon joined to the one before: base64 without its folds."""
    pending = ""
    for line in lines:
        if pending and ":" not in line and line.strip() and not line.startswith("#"):
            pending += line.strip()
        else:
            if pending:
                yield pending
            pending = line
    if pending:
        yield pending


def _parsed(original: str) -> Line | None:
    try:
        name, parameters, value, _group = parseLine(original.strip())
    except (ParseError, ValueError, IndexError):
        return None
    kinds: set[str] = set()
    charset = ""
    for key, *values in parameters:
        upper = key.upper()
        if upper == "CHARSET" and values:
            charset = values[0]
        elif upper in ("TYPE", "ENCODING"):
            kinds |= {part.strip().upper() for entry in values for part in entry.split(",")}
        elif not values:
            kinds.add(upper)
    if "QUOTED-PRINTABLE" in kinds:
        raw = quopri.decodestring(value.encode("utf-8", "replace"))
        value = decode_text(raw, charset or None)
    return Line(name.upper(), frozenset(kinds), value, original)


def unescape(value: str) -> str:
    """A value without its backslashes; a line end is CRLF as in Outlook's texts."""
    return _ESCAPE.sub(lambda found: "\r\n" if found[1] in "nN" else found[1], value)


def split(value: str, mark: str) -> list[str]:
    """The fields between unescaped ``mark`` characters, unescaped."""
    fields, start, position = [], 0, 0
    while position < len(value):
        if value[position] == "\\":
            position += 1
        elif value[position] == mark:
            fields.append(value[start:position])
            start = position + 1
        position += 1
    return [unescape(part).strip() for part in (*fields, value[start:])]
