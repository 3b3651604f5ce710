"""What a contact says (MS-OXOCNTC 2.2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, clean
from backups.streams.native.properties import PropertyName
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.details import ContactView, Labelled
from backups.streams.views.values import (
    chosen,
    day_of,
    kept_lines,
    named_text,
    named_texts,
    named_time,
)

_Places = tuple[tuple[str, int | PropertyName], ...]

_NAMES: Final[_Places] = (
    ("Title", tags.DISPLAY_NAME_PREFIX),
    ("First name", tags.GIVEN_NAME),
    ("Middle name", tags.MIDDLE_NAME),
    ("Last name", tags.SURNAME),
    ("Suffix", tags.GENERATION),
    ("Initials", tags.INITIALS),
    ("Nickname", tags.NICKNAME),
    ("First name, phonetic", names.YOMI_FIRST_NAME),
    ("Last name, phonetic", names.YOMI_LAST_NAME),
)
_WORK: Final[_Places] = (
    ("Company", tags.COMPANY_NAME),
    ("Company, phonetic", names.YOMI_COMPANY_NAME),
    ("Department", tags.DEPARTMENT_NAME),
    ("Job title", tags.TITLE),
    ("Profession", tags.PROFESSION),
    ("Office", tags.OFFICE_LOCATION),
)
_PHONES: Final[_Places] = (
    ("Business phone", tags.BUSINESS_TELEPHONE),
    ("Business phone 2", tags.BUSINESS_TELEPHONE_2),
    ("Mobile phone", tags.MOBILE_TELEPHONE),
    ("Home phone", tags.HOME_TELEPHONE),
    ("Home phone 2", tags.HOME_TELEPHONE_2),
    ("Primary phone", tags.PRIMARY_TELEPHONE),
    ("Company main phone", tags.COMPANY_MAIN_TELEPHONE),
    ("Assistant's phone", tags.ASSISTANT_TELEPHONE),
    ("Callback", tags.CALLBACK_TELEPHONE),
    ("Car phone", tags.CAR_TELEPHONE),
    ("Radio phone", tags.RADIO_TELEPHONE),
    ("Pager", tags.PAGER),
    ("Other phone", tags.OTHER_TELEPHONE),
    ("Business fax", tags.BUSINESS_FAX),
    ("Home fax", tags.HOME_FAX),
    ("Other fax", tags.PRIMARY_FAX),
    ("Telex", tags.TELEX),
    ("ISDN", tags.ISDN),
    ("TTY/TDD", tags.TTY_TDD_TELEPHONE),
)
_WEB: Final[_Places] = (
    ("Web page", names.WEB_PAGE),
    ("Business web page", tags.BUSINESS_HOME_PAGE),
    ("Personal web page", tags.PERSONAL_HOME_PAGE),
    ("FTP", tags.FTP_SITE),
    ("Instant messaging", names.INSTANT_MESSAGING),
    ("Free/busy", names.FREE_BUSY_LOCATION),
)
_PEOPLE: Final[_Places] = (
    ("Manager", tags.MANAGER_NAME),
    ("Assistant", tags.ASSISTANT),
    ("Spouse", tags.SPOUSE_NAME),
    ("Referred by", tags.REFERRED_BY),
)
_OTHER: Final[_Places] = (
    ("Hobbies", tags.HOBBIES),
    ("Language", tags.LANGUAGE),
    ("Location", tags.CONTACT_LOCATION),
    ("Account", tags.ACCOUNT),
    ("Customer id", tags.CUSTOMER_ID),
    ("Organizational id", tags.ORGANIZATIONAL_ID_NUMBER),
    ("Government id", tags.GOVERNMENT_ID_NUMBER),
    ("Computer network", tags.COMPUTER_NETWORK_NAME),
    ("Billing", names.BILLING),
    ("Mileage", names.MILEAGE),
    *((f"User field {number}", name) for number, name in enumerate(names.USER_FIELDS, 1)),
)
_GENDERS: Final = ("", "female", "male")
_ADDRESSES: Final[tuple[tuple[str, PropertyName, _Places], ...]] = (
    (
        "Business address",
        names.WORK_ADDRESS,
        (
            ("", names.WORK_STREET),
            ("", names.WORK_POST_OFFICE_BOX),
            ("", names.WORK_POSTAL_CODE),
            ("", names.WORK_CITY),
            ("", names.WORK_STATE),
            ("", names.WORK_COUNTRY),
        ),
    ),
    (
        "Home address",
        names.HOME_ADDRESS,
        (
            ("", tags.HOME_STREET),
            ("", tags.HOME_POST_OFFICE_BOX),
            ("", tags.HOME_POSTAL_CODE),
            ("", tags.HOME_CITY),
            ("", tags.HOME_STATE),
            ("", tags.HOME_COUNTRY),
        ),
    ),
    (
        "Other address",
        names.OTHER_ADDRESS,
        (
            ("", tags.OTHER_STREET),
            ("", tags.OTHER_POST_OFFICE_BOX),
            ("", tags.OTHER_POSTAL_CODE),
            ("", tags.OTHER_CITY),
            ("", tags.OTHER_STATE),
            ("", tags.OTHER_COUNTRY),
        ),
    ),
)


def contact_of(node: Node, content: Content, fields: Fields) -> ContactView:
    """The contact at ``node``; ``fields`` are its properties."""
    birthday = named_time(fields, names.BIRTHDAY_LOCAL) or fields.time(tags.BIRTHDAY)
    wedding = named_time(fields, names.ANNIVERSARY_LOCAL) or fields.time(tags.WEDDING_ANNIVERSARY)
    gender = chosen(_GENDERS, fields.integer(tags.GENDER))
    return ContactView(
        name=fields.text(tags.DISPLAY_NAME),
        file_as=named_text(fields, names.FILE_UNDER),
        names=_labelled(fields, _NAMES),
        work=_labelled(fields, _WORK),
        emails=tuple(_emails(fields)),
        phones=_labelled(fields, _PHONES),
        addresses=tuple(_addresses(fields)),
        web=_labelled(fields, _WEB),
        people=(*_labelled(fields, _PEOPLE), *_children(fields)),
        other=(
            *((("Gender", gender),) if gender else ()),
            *_labelled(fields, _OTHER),
            *_linked(fields),
        ),
        birthday=day_of(birthday),
        anniversary=day_of(wedding),
        photo=_photo(node, content),
        kept=kept_lines(fields),
    )


def _labelled(fields: Fields, places: _Places) -> Labelled:
    found = ((label, _text(fields, place)) for label, place in places)
    return tuple((label, text) for label, text in found if text)


def _text(fields: Fields, place: int | PropertyName) -> str:
    return fields.text(place) if isinstance(place, int) else named_text(fields, place)


def _emails(fields: Fields) -> Iterator[tuple[str, str]]:
    """(display name, address); of an address inside an organization, what Outlook shows for it."""
    for place in range(len(names.EMAILS)):
        shown = named_text(fields, names.email(place, 0))
        address = named_text(fields, names.email(place, 3))
        original = named_text(fields, names.email(place, 4))
        if named_text(fields, names.email(place, 2)).upper() == "EX" and "@" in original:
            address = original
        if address or shown:
            yield shown, address


def _addresses(fields: Fields) -> Iterator[tuple[str, str]]:
    for label, whole, parts in _ADDRESSES:
        text = named_text(fields, whole)
        text = text or "\r\n".join(part for _, part in _labelled(fields, parts))
        if text:
            yield label, text


def _children(fields: Fields) -> Labelled:
    value = fields.value(tags.CHILDRENS_NAMES)
    if isinstance(value, list):
        value = ", ".join(clean(str(one)) for one in value)
    return (("Children", value),) if isinstance(value, str) and value else ()


def _linked(fields: Fields) -> Labelled:
    labels = (("Contacts", names.CONTACTS), ("Companies", names.COMPANIES))
    found = ((label, ", ".join(named_texts(fields, name))) for label, name in labels)
    return tuple((label, text) for label, text in found if text)


def _photo(node: Node, content: Content) -> int | None:
    for number, child in enumerate(node.nodes(Owner.ATTACHMENT)):
        if Fields(child, content, []).value(tags.ATTACHMENT_CONTACT_PHOTO):
            return number
    return None
