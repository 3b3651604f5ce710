"""What becomes of the lines of one vCard: their places in a contact or a distribution list."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from backups.streams.contacts import places
from backups.streams.contacts.labels import STANDARD, labelled
from backups.streams.contacts.lines import Line, kept_form, split, unescape
from backups.streams.contacts.lists import add_members
from backups.streams.contacts.media import Media, read_media
from backups.streams.native import names, tags
from backups.streams.native.assembly import Draft, file_attachment, flag, text, time
from backups.streams.native.index import KEYWORDS
from backups.streams.native.properties import (
    INTEGER16,
    INTEGER32,
    MULTIPLE,
    STRING,
    Property,
    PropertyName,
)

_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?![\d-])")
_STAMP = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:[.,]\d+)?Z?", re.IGNORECASE)
_PASSED_OVER: Final = frozenset({"BEGIN", "END", "VERSION", "PRODID"})
_NO_YEAR: Final = "X-APPLE-OMIT-YEAR"


class CardReader:
    """``people`` are (name, address) of the file's cards by UID. ``read`` is called once."""

    def __init__(self, people: dict[str, tuple[str, str]]) -> None:
        self.draft = Draft()
        self.kept: list[str] = []
        self.notes: list[str] = []
        self._people = people
        self._taken: set[places.Place] = set()
        self._version = ""
        self._is_list = False
        self._display = self._company = self._filed = ""
        self._names: list[str] = []
        self._emails: list[tuple[bool, str]] = []
        self._members: list[tuple[str, str]] = []
        self._categories: list[str] = []
        self._children: list[str] = []
        self._media: list[tuple[str, Media]] = []
        self._mailing: tuple[int, list[str]] = (0, [])
        self._shown: dict[places.Place, str] = {}

    def keep(self, line: str, note: str = "") -> None:
        """Keep a line as text, and say so where it is no ordinary one."""
        self.kept.append(line)
        if note:
            self.notes.append(note)

    def read(self, lines: list[Line]) -> str:
        """Put every line into its place. The name of the contact or list."""
        first = {line.name: line.text for line in reversed(lines)}
        self._version = first.get("VERSION", "")
        kind = first.get("KIND") or first.get("X-ADDRESSBOOKSERVER-KIND", "")
        self._is_list = kind.lower() == "group"
        labels: list[Line] = []
        groups: set[str] = set()
        for line in labelled(lines):
            name = places.ALIASES.get(line.name, line.name)
            if name in _PASSED_OVER or not line.value:
                continue
            if name == "X-ABLABEL":
                labels.append(line)
            elif not self._take(name, line):
                self.keep(kept_form(line))
                groups.add(line.group)
        for line in labels:  # one that Apple names is in the types of what has found its place
            if line.group in groups or STANDARD.fullmatch(line.text) is None:
                self.keep(kept_form(line))
        return self._finish_list() if self._is_list else self._finish_contact()

    def _take(self, name: str, line: Line) -> bool:
        """Put the line into its place; False when there is none, or it is taken."""
        method = _TAKERS.get(name)
        if method is not None:
            return method(self, line)
        if name in places.TEXTS:
            return self._text(places.TEXTS[name], self._list_text(line))
        if name in places.ADDRESSES_OF_PAGES:
            return self._text(places.ADDRESSES_OF_PAGES[name], line.text)
        if name in places.DATES:
            return self._date(name, line)
        if name in places.MEDIA:
            return self._medium(name, line)
        return False

    def _list_text(self, line: Line) -> str:
        """A text; the entries of a nickname's or language's list have a comma between them."""
        if line.name != "NICKNAME":
            return line.text
        return ", ".join(filter(None, self._entries(line.value)))

    def _text(self, place: places.Place, value: str) -> bool:
        if not value or not self._free(place):
            return False
        self._put(place, value)
        return True

    def _put(self, place: places.Place, value: str) -> None:
        if isinstance(place, PropertyName):
            self.draft.name_text(place, value)
        else:
            self.draft.add_text(place, value)

    def _free(self, place: places.Place) -> bool:
        """Whether nothing stands there yet; from now on something does."""
        if place in self._taken:
            return False
        self._taken.add(place)
        return True

    def _fields(self, value: str) -> list[list[str]]:
        """The fields of N, ADR or ORG, each with its entries."""
        return [self._entries(field) for field in split(value, ";")]

    def _entries(self, value: str) -> list[str]:
        """In vCard 2.1 a comma is a comma."""
        entries = [value] if self._version == "2.1" else split(value, ",")
        return [unescape(entry).strip() for entry in entries]

    def _full_name(self, line: Line) -> bool:
        if self._display:
            return False
        self._display = line.text
        return True

    def _name(self, line: Line) -> bool:
        if self._names:
            return False
        fields = self._fields(line.value)
        marks = (" ", " ", " ", " ", ", ")
        self._names = [m.join(filter(None, f)) for m, f in zip(marks, fields, strict=False)]
        for number, part in zip(places.NAME, self._names, strict=False):
            self.draft.add_text(number, part)
        return not any(map(any, fields[len(marks) :]))

    def _email(self, line: Line) -> bool:
        address = line.text
        if address[:7].lower() == "mailto:":
            address = unquote(address[7:])
        if self._is_list or "X400" in line.kinds or not address:
            return False
        if len(self._emails) == len(names.EMAILS):
            return False
        self._emails.append(("PREF" in line.kinds, address))
        return True

    def _phone(self, line: Line) -> bool:
        number = line.text[4:] if line.text[:4].lower() == "tel:" else line.text
        kinds = {kind.replace("X-EVOLUTION-", "X-") for kind in line.kinds}
        for needed, place in places.PHONES:
            if not kinds.issuperset(needed) or (not needed and kinds & places.PHONE_KINDS):
                continue
            if self._text(place, number):
                return True
        return False

    def _address(self, line: Line) -> bool:
        fields = [", ".join(filter(None, entries)) for entries in self._fields(line.value)]
        parts = [*fields, *[""] * 7][:7]
        label = unescape(line.parameter("LABEL"))
        if not any(parts):
            return self._label(line, label)
        if parts[1]:  # the extended address has no place of its own
            parts[2], parts[1] = "\r\n".join(part for part in parts[1:3] if part), ""
        for kind, number, whole, place in places.ADDRESSES:
            if kind and kind not in line.kinds:
                continue
            if self._free(place[2] or 0):
                for one, part in zip(place, parts, strict=True):
                    if one is not None:
                        self._put(one, part)
                self._text(whole, label)
                self._shown[whole] = shown_address(parts)
                if "PREF" in line.kinds and not self._mailing[0]:
                    self._mailing = (number, parts)
                return not any(fields[7:])
        return False

    def _address_label(self, line: Line) -> bool:
        return self._label(line, line.text)

    def _label(self, line: Line, value: str) -> bool:
        """The whole of an address as it stands on a letter."""
        for kind, _, whole, _ in places.ADDRESSES:
            if kind in line.kinds or not kind:
                return self._text(whole, value)
        return False

    def _organization(self, line: Line) -> bool:
        if self._company:
            return False
        self._company, *units = [unescape(part).strip() for part in split(line.value, ";")]
        self.draft.add_text(tags.COMPANY_NAME, self._company)
        self.draft.add_text(tags.DEPARTMENT_NAME, "; ".join(unit for unit in units if unit))
        return bool(self._company or any(units))

    def _page(self, line: Line) -> bool:
        place: places.Place = names.WEB_PAGE
        if "HOME" in line.kinds:
            place = tags.PERSONAL_HOME_PAGE
        elif "WORK" in line.kinds:
            place = tags.BUSINESS_HOME_PAGE
        return self._text(place, line.text)

    def _messaging(self, line: Line) -> bool:
        return self._text(names.INSTANT_MESSAGING, re.sub(r"^im:", "", line.text))

    def _categories_of(self, line: Line) -> bool:
        entries = [unescape(entry).strip() for entry in split(line.value, ",")]
        self._categories += [entry for entry in entries if entry]
        return True

    def _child(self, line: Line) -> bool:
        self._children.append(line.text)
        return True

    def _related(self, line: Line) -> bool:
        if re.match(r"(?:urn|https?|mailto|data|tel):", line.text, re.IGNORECASE):
            return False
        for kind, name in places.RELATED.items():
            if kind in line.kinds:
                return self._take(name, line)
        return False

    def _gender(self, line: Line) -> bool:
        sex, _, more = line.value.partition(";")
        number = places.GENDERS.get(sex.strip().upper()[:1], 0)
        if more.strip() or not number or not self._free(tags.GENDER):
            return False
        self.draft.add(Property.of(tags.GENDER, INTEGER16, number))
        return True

    def _private(self, line: Line) -> bool:
        if line.text.upper() not in ("PRIVATE", "CONFIDENTIAL") or not self._free(names.PRIVATE):
            return False
        self.draft.name_flag(names.PRIVATE, True)
        self.draft.add(Property.of(tags.SENSITIVITY, INTEGER32, 2 + (line.text[:1] in "Cc")))
        return True

    def _filed_as(self, line: Line) -> bool:
        self._filed = self._filed or line.text
        return self._filed == line.text

    def _revision(self, line: Line) -> bool:
        found = _STAMP.fullmatch(line.text)
        try:
            moment = datetime(*map(int, found.groups()), tzinfo=UTC) if found else None  # type: ignore[arg-type,misc]
        except ValueError:
            moment = None
        if moment is None or not self._free(tags.LAST_MODIFICATION_TIME):
            return False
        self.draft.add(time(tags.LAST_MODIFICATION_TIME, moment))
        return True

    def _kind(self, line: Line) -> bool:
        return line.text.lower() in ("group", "individual")

    def _member(self, line: Line) -> bool:
        if not self._is_list:
            return False
        value = line.text
        if value[:7].lower() == "mailto:":
            address = unquote(value[7:].partition("?")[0])
            self._members.append((line.parameter("X-CN") or line.parameter("CN"), address))
            return True
        known = self._people.get(value.lower().removeprefix("urn:uuid:"))
        if known is None:
            self.notes.append(f"a member that is in no card of the file is kept as text: {value}")
            return False
        self._members.append(known)
        return True

    def _date(self, name: str, line: Line) -> bool:
        """A whole date; one without its year has no place in Outlook."""
        found = _DATE.match(line.text)
        if found is None or line.parameter(_NO_YEAR) == found[1]:
            return False
        try:
            day = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
            noon = time(places.DATES[name][0], day.replace(hour=11, minute=59))
        except ValueError:
            return False
        if not self._free(places.DATES[name][0]):
            return False
        self.draft.add(noon)
        self.draft.name_time(places.DATES[name][1], day)
        return True

    def _medium(self, name: str, line: Line) -> bool:
        media = read_media(line)
        if media is None:
            return False
        self._media.append((name, media))
        return True

    def _finish_contact(self) -> str:
        """What follows from all lines together. The contact's display name."""
        draft = self.draft
        family, given = [*self._names, "", ""][:2]
        made_up = " ".join(part for part in (given, family) if part)
        emails = [a for _, a in sorted(self._emails, key=lambda entry: not entry[0])]
        name = self._display or made_up or self._company or next(iter(emails), "")
        filed = self._filed or ", ".join(part for part in (family, given) if part) or name
        self._finish("IPM.Contact", name, filed)
        for place, address in enumerate(emails):
            draft.name_text(names.email(place, 0), f"{name} ({address})" if name else address)
            draft.name_text(names.email(place, 2), "SMTP")
            draft.name_text(names.email(place, 3), address)
            draft.name_text(names.email(place, 4), address)
        for whole, shown in self._shown.items():
            self._text(whole, shown)
        number, parts = self._mailing
        if number:
            draft.name_integer(names.POSTAL_ADDRESS_ID, number)
            draft.add_text(tags.POSTAL_ADDRESS, shown_address(parts))
            for one, part in zip(places.MAILING, parts, strict=True):
                if one is not None:
                    self._put(one, part)
        if self._children:
            kind = MULTIPLE | STRING
            draft.add(Property.of(tags.CHILDRENS_NAMES, kind, self._children))
        return name or "without a name"

    def _finish_list(self) -> str:
        name = self._display or " ".join(filter(None, self._names)) or "without a name"
        self._finish("IPM.DistList", name, self._filed or name)
        self.draft.name_text(names.DISTRIBUTION_LIST_NAME, name)
        add_members(self.draft, self._members)
        return name

    def _finish(self, item_class: str, name: str, filed: str) -> None:
        draft = self.draft
        draft.add(text(tags.MESSAGE_CLASS, item_class), text(tags.SUBJECT, name))
        draft.add(text(tags.NORMALIZED_SUBJECT, name), text(tags.DISPLAY_NAME, name))
        draft.name_text(names.FILE_UNDER, filed)
        draft.name_texts(KEYWORDS, self._categories)
        draft.name_texts(names.KEPT_LINES, self.kept)
        has_picture = False
        for name, media in self._media:
            number = len(draft.attachments)
            if name == "PHOTO" and not has_picture and not self._is_list:
                has_picture = True
                file_name = f"ContactPicture.{media.suffix}"
                photo = file_attachment(number, file_name, media.media_type, media.content)
                photo.properties.append(flag(tags.ATTACHMENT_CONTACT_PHOTO, True))
                draft.attachments.append(photo)
                draft.name_flag(names.HAS_PICTURE, True)
                continue
            file_name = f"{places.MEDIA[name]}.{media.suffix}"
            file = file_attachment(number, file_name, media.media_type, media.content)
            file.properties.append(text(tags.ATTACH_CONTENT_LOCATION, places.MEDIA_PLACE + name))
            draft.attachments.append(file)


_TAKERS: Final = {
    "FN": CardReader._full_name,
    "N": CardReader._name,
    "EMAIL": CardReader._email,
    "TEL": CardReader._phone,
    "ADR": CardReader._address,
    "LABEL": CardReader._address_label,
    "ORG": CardReader._organization,
    "URL": CardReader._page,
    "IMPP": CardReader._messaging,
    "CATEGORIES": CardReader._categories_of,
    "X-CHILD": CardReader._child,
    "RELATED": CardReader._related,
    "X-ABRELATEDNAMES": CardReader._related,
    "GENDER": CardReader._gender,
    "CLASS": CardReader._private,
    "X-FILE-AS": CardReader._filed_as,
    "REV": CardReader._revision,
    "KIND": CardReader._kind,
    "MEMBER": CardReader._member,
}


def shown_address(parts: list[str]) -> str:
    """An address in the way it stands on a letter, from the seven fields of ADR."""
    lines = (parts[2], f"{parts[5]} {parts[3]}".strip(), parts[0], parts[4], parts[6])
    return "\r\n".join(line for line in lines if line)
