"""Contacts and distribution lists as vCard 3.0 (RFC 2426) or 4.0 (RFC 6350)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote

import pybase64

from backups.streams.contacts import places
from backups.streams.contacts.cards import shown_address
from backups.streams.contacts.kept import written_again
from backups.streams.contacts.lines import content_line, escape, folded
from backups.streams.contacts.lists import members_of
from backups.streams.contacts.media import type_in_card
from backups.streams.errors import MailError
from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, clean
from backups.streams.native.index import KEYWORDS
from backups.streams.native.properties import PropertyName
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node, Owner

Version = Literal["3.0", "4.0"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:")
_BREAK = re.compile(r"[\r\n]+")
_HALF_A_DAY: Final = timedelta(hours=12)
_RELATED: Final = {"X-SPOUSE": "spouse", "X-CHILD": "child"}
_OWN_NAMES: Final = {"HOBBY": "X-HOBBY"}
_SENSITIVITIES: Final = {2: "PRIVATE", 3: "CONFIDENTIAL"}


def write_vcf(payload: bytes, *, version: Version = "3.0", note: str = "") -> bytes:
    """The card of a contact or distribution list, in UTF-8 with CRLF line ends.

    ``note`` stands in where the item's text is not plain (PidTagBody). Several cards one after
    another are a file too. Raises StreamError for a broken container, MailError for an item that
    is neither.
    """
    stream = open_stream(payload)
    card = _Card(stream.scan.root, stream.content, version, note)
    whole = ("BEGIN:VCARD", f"VERSION:{version}", *card.lines(), "END:VCARD")
    return "".join(f"{folded(line)}\r\n" for line in whole).encode("utf-8")


class _Card:
    def __init__(self, root: Node, content: Content, version: Version, note: str) -> None:
        self._root = root
        self._content = content
        self._fields = Fields(root, content, [])
        self._new = version == "4.0"
        self._note = note
        item_class = self._fields.text(tags.MESSAGE_CLASS).upper()
        self._is_list = item_class.startswith("IPM.DISTLIST")
        if not self._is_list and not item_class.startswith("IPM.CONTACT"):
            raise MailError("the item is no contact")

    def lines(self) -> Iterator[str]:
        if self._is_list:
            yield from self._list()
        else:
            yield from self._contact()
        yield from self._shared()

    def _contact(self) -> Iterator[str]:
        fields = self._fields
        yield self._text("FN", self._display_name())
        yield content_line("N", (), ";".join(escape(fields.text(tag)) for tag in places.NAME))
        yield from self._emails()
        for kinds, tag in places.PHONES:
            # The last row only says where a second number without a type may go.
            if fields.text(tag) and (kinds or tag == tags.OTHER_TELEPHONE):
                value = _BREAK.sub(" ", fields.text(tag))
                yield content_line("TEL", self._types(kinds or ("VOICE",)), escape(value))
        yield from self._addresses()
        company, department = fields.text(tags.COMPANY_NAME), fields.text(tags.DEPARTMENT_NAME)
        if company or department:
            units = [escape(unit) for unit in department.split("; ") if unit]
            yield content_line("ORG", (), ";".join((escape(company), *units)))
        yield from self._pages()
        yield from self._dates()
        yield from self._people()
        gender = fields.value(tags.GENDER)
        for letter, number in places.GENDERS.items():
            if gender == number:
                yield self._text("GENDER" if self._new else "X-GENDER", letter)

    def _list(self) -> Iterator[str]:
        name = self._display_name()
        yield self._text("FN", name)
        if self._new:
            yield self._text("KIND", "group")
        else:
            yield content_line("N", (), f"{escape(name)};;;;")
            yield self._text("X-ADDRESSBOOKSERVER-KIND", "group")
        for person, address in members_of(self._fields):
            if not address:
                continue
            named = (("X-CN", (person,)),) if person and person != address else ()
            label = "MEMBER" if self._new else "X-ADDRESSBOOKSERVER-MEMBER"
            yield content_line(label, named, f"mailto:{quote(address, safe='@!#$&*+/=?^_{|}~')}")

    def _shared(self) -> Iterator[str]:
        fields = self._fields
        for label, place in places.TEXTS.items():
            value = self._at(place) or (self._note if label == "NOTE" else "")
            if value and not (self._new and label in _RELATED):
                own = label if self._new else _OWN_NAMES.get(label, label)
                yield self._text(own, value)
        categories = fields.named(KEYWORDS)
        if isinstance(categories, list) and categories:
            value = ",".join(escape(clean(str(category))) for category in categories)
            yield content_line("CATEGORIES", (), value)
        filed = self._named(names.FILE_UNDER)
        if filed and filed != self._usual_file_name():
            yield self._text("X-FILE-AS", filed)
        private = _SENSITIVITIES.get(fields.integer(tags.SENSITIVITY) or 0)
        if private:
            yield self._text("X-CLASS" if self._new else "CLASS", private)
        changed = fields.time(tags.LAST_MODIFICATION_TIME)
        if changed is not None:
            yield f"REV:{changed:{'%Y%m%dT%H%M%SZ' if self._new else '%Y-%m-%dT%H:%M:%SZ'}}"
        yield from self._media()
        kept = fields.named(names.KEPT_LINES)
        for line in kept if isinstance(kept, list) else ():
            again = written_again(clean(str(line)), new=self._new)
            if again:
                yield again

    def _display_name(self) -> str:
        fields = self._fields
        emails = (self._named(names.email(place, 3)) for place in range(len(names.EMAILS)))
        return (
            fields.text(tags.DISPLAY_NAME, tags.SUBJECT)
            or self._named(names.DISTRIBUTION_LIST_NAME)
            or self._named(names.FILE_UNDER)
            or fields.text(tags.COMPANY_NAME)
            or next(filter(None, emails), "")
        )

    def _usual_file_name(self) -> str:
        if self._is_list:
            return self._display_name()
        parts = (self._fields.text(tags.SURNAME), self._fields.text(tags.GIVEN_NAME))
        return ", ".join(part for part in parts if part) or self._display_name()

    def _emails(self) -> Iterator[str]:
        for place in range(len(names.EMAILS)):
            address = self._named(names.email(place, 3))
            if self._named(names.email(place, 2)).upper() == "EX":
                # The address of the directory is of no use outside it; the name often has the
                # other one, as Outlook writes it there.
                shown = self._named(names.email(place, 4)) or self._named(names.email(place, 0))
                found = re.search(r"[^\s()<>@]{1,200}@[^\s()<>@]{1,200}", shown)
                address = found[0] if found else address
            if address:
                kind = () if self._new else (("TYPE", ("INTERNET",)),)
                yield content_line("EMAIL", kind, escape(_BREAK.sub(" ", address)))

    def _addresses(self) -> Iterator[str]:
        chosen = self._fields.named(names.POSTAL_ADDRESS_ID)
        found = False
        for kind, number, whole, place in places.ADDRESSES:
            parts = ["" if one is None else self._at(one) for one in place]
            label = self._named(whole)
            if any(parts):
                found = True
                kinds = (kind, "PREF") if number == chosen else (kind,)
                yield from self._address(tuple(filter(None, kinds)), parts, label)
            elif label:
                yield from self._address(tuple(filter(None, (kind,))), [""] * 7, label)
        parts = ["" if one is None else self._at(one) for one in places.MAILING]
        if any(parts) and not found:
            yield from self._address((), parts, self._fields.text(tags.POSTAL_ADDRESS))

    def _address(self, kinds: tuple[str, ...], parts: list[str], label: str) -> Iterator[str]:
        own = bool(label) and label != shown_address(parts)
        parameters = self._types(kinds)
        if own and self._new:
            parameters = (*parameters, ("LABEL", (label,)))
        if any(parts) or self._new:
            yield content_line("ADR", parameters, ";".join(map(escape, parts)))
        if own and not self._new:
            yield content_line("LABEL", parameters, escape(label))

    def _pages(self) -> Iterator[str]:
        page = self._named(names.WEB_PAGE)
        business = self._fields.text(tags.BUSINESS_HOME_PAGE)
        if page:
            yield self._uri("URL", page)
        if business and business != page:
            yield self._uri("URL", business, self._types(("WORK",)))
        personal = self._fields.text(tags.PERSONAL_HOME_PAGE)
        if personal:
            yield self._uri("URL", personal, self._types(("HOME",)))
        messaging = self._named(names.INSTANT_MESSAGING)
        if messaging:
            known = _SCHEME.match(messaging)
            yield self._uri("IMPP", messaging if known else f"im:{messaging}")
        for label, place in places.ADDRESSES_OF_PAGES.items():
            if self._at(place):
                yield self._uri(label, self._at(place))

    def _dates(self) -> Iterator[str]:
        for label, (tag, local) in places.DATES.items():
            day = self._day(tag, local)
            if day is None:
                continue
            if self._new:
                yield f"{label}:{day.year:04d}{day.month:02d}{day.day:02d}"
            else:
                own = label if label == "BDAY" else f"X-{label}"
                yield f"{own}:{day.isoformat()}"

    def _day(self, tag: int, local: PropertyName) -> date | None:
        """The date without a zone where there is one; else the day of which noon is nearest."""
        value = self._fields.named(local)
        if isinstance(value, datetime):
            return value.date()
        moment = self._fields.time(tag)
        try:
            return None if moment is None else (moment + _HALF_A_DAY).date()
        except OverflowError:
            return moment.date() if moment else None

    def _people(self) -> Iterator[str]:
        children = self._fields.value(tags.CHILDRENS_NAMES)
        related = (
            [("X-CHILD", child) for child in children if isinstance(child, str)]
            if (isinstance(children, list))
            else []
        )
        if self._new:
            related += [("X-SPOUSE", self._fields.text(tags.SPOUSE_NAME))]
        for label, name in related:
            if name and self._new:
                parameters = (("TYPE", (_RELATED[label],)), ("VALUE", ("text",)))
                yield content_line("RELATED", parameters, escape(clean(name)))
            elif name:
                yield self._text(label, clean(name))

    def _media(self) -> Iterator[str]:
        for node in self._root.nodes(Owner.ATTACHMENT):
            fields = Fields(node, self._content, [])
            place = fields.text(tags.ATTACH_CONTENT_LOCATION)
            name = place.removeprefix(places.MEDIA_PLACE)
            if fields.value(tags.ATTACHMENT_CONTACT_PHOTO):
                name = "PHOTO"
            elif not place.startswith(places.MEDIA_PLACE) or name not in places.MEDIA:
                continue
            raw = fields.binary(tags.ATTACH_DATA)
            media_type = fields.text(tags.ATTACH_MIME_TAG).lower() or "image/jpeg"
            encoded = pybase64.b64encode_as_string(raw)
            if raw and self._new:
                kind = media_type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type) else ""
                yield content_line(name, (), f"data:{kind or 'image/jpeg'};base64,{encoded}")
            elif raw:
                parameters = (("ENCODING", ("b",)), ("TYPE", (type_in_card(media_type),)))
                yield content_line(name, parameters, encoded)

    def _types(self, kinds: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Types as parameters; the one that is preferred is a number in vCard 4.0."""
        if not self._new:
            return (("TYPE", tuple(kinds)),) if kinds else ()
        others = tuple(kind.lower() for kind in kinds if kind != "PREF")
        preferred = (("PREF", ("1",)),) if "PREF" in kinds else ()
        return ((("TYPE", others),) if others else ()) + preferred

    def _text(self, label: str, value: str) -> str:
        return content_line(label, (), escape(value))

    def _uri(
        self, label: str, value: str, parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ) -> str:
        """An address is no text: nothing in it is escaped."""
        return content_line(label, parameters, _BREAK.sub("", value).strip())

    def _at(self, place: places.Place) -> str:
        return self._named(place) if isinstance(place, PropertyName) else self._fields.text(place)

    def _named(self, name: PropertyName) -> str:
        value = self._fields.named(name)
        return clean(value) if isinstance(value, str) else ""
