"""Where the properties of vCards have their places in a contact (MS-OXOCNTC 2.2.1)."""

from __future__ import annotations

from typing import Final

from backups.streams.native import names, tags
from backups.streams.native.properties import PropertyName

Place = int | PropertyName

NAME: Final = (
    tags.SURNAME,
    tags.GIVEN_NAME,
    tags.MIDDLE_NAME,
    tags.DISPLAY_NAME_PREFIX,
    tags.GENERATION,
)
"""The five fields of N."""

WORK: Final[tuple[Place | None, ...]] = (
    names.WORK_POST_OFFICE_BOX,
    None,
    names.WORK_STREET,
    names.WORK_CITY,
    names.WORK_STATE,
    names.WORK_POSTAL_CODE,
    names.WORK_COUNTRY,
)
HOME: Final[tuple[Place | None, ...]] = (
    tags.HOME_POST_OFFICE_BOX,
    None,
    tags.HOME_STREET,
    tags.HOME_CITY,
    tags.HOME_STATE,
    tags.HOME_POSTAL_CODE,
    tags.HOME_COUNTRY,
)
OTHER: Final[tuple[Place | None, ...]] = (
    tags.OTHER_POST_OFFICE_BOX,
    None,
    tags.OTHER_STREET,
    tags.OTHER_CITY,
    tags.OTHER_STATE,
    tags.OTHER_POSTAL_CODE,
    tags.OTHER_COUNTRY,
)
MAILING: Final[tuple[Place | None, ...]] = (
    tags.POST_OFFICE_BOX,
    None,
    tags.STREET_ADDRESS,
    tags.LOCALITY,
    tags.STATE_OR_PROVINCE,
    tags.POSTAL_CODE,
    tags.COUNTRY,
)
"""A copy of whichever of the others letters are sent to."""

ADDRESSES: Final = (
    # Type, PidLidPostalAddressId, whole address, the seven fields of ADR.
    ("WORK", 2, names.WORK_ADDRESS, WORK),
    ("HOME", 1, names.HOME_ADDRESS, HOME),
    ("", 3, names.OTHER_ADDRESS, OTHER),
)

PHONES: Final[tuple[tuple[tuple[str, ...], int], ...]] = (
    # Types that a line must have; the first place that is free is taken.
    (("WORK", "FAX"), tags.BUSINESS_FAX),
    (("HOME", "FAX"), tags.HOME_FAX),
    (("FAX",), tags.PRIMARY_FAX),
    (("PAGER",), tags.PAGER),
    (("CAR",), tags.CAR_TELEPHONE),
    (("ISDN",), tags.ISDN),
    (("TEXTPHONE",), tags.TTY_TDD_TELEPHONE),
    (("X-TTYTDD",), tags.TTY_TDD_TELEPHONE),
    (("X-TELEX",), tags.TELEX),
    (("X-RADIO",), tags.RADIO_TELEPHONE),
    (("X-CALLBACK",), tags.CALLBACK_TELEPHONE),
    (("X-ASSISTANT",), tags.ASSISTANT_TELEPHONE),
    (("X-COMPANY",), tags.COMPANY_MAIN_TELEPHONE),
    (("CELL",), tags.MOBILE_TELEPHONE),
    (("WORK",), tags.BUSINESS_TELEPHONE),
    (("WORK",), tags.BUSINESS_TELEPHONE_2),
    (("HOME",), tags.HOME_TELEPHONE),
    (("HOME",), tags.HOME_TELEPHONE_2),
    (("PREF",), tags.PRIMARY_TELEPHONE),
    ((), tags.OTHER_TELEPHONE),
    ((), tags.PRIMARY_TELEPHONE),
)
PHONE_KINDS: Final = frozenset(kind for kinds, _ in PHONES for kind in kinds) - {"PREF"}

TEXTS: Final[dict[str, Place]] = {
    # One text each; the first line of a name takes the place.
    "TITLE": tags.TITLE,
    "ROLE": tags.PROFESSION,
    "NICKNAME": tags.NICKNAME,
    "LANG": tags.LANGUAGE,
    "HOBBY": tags.HOBBIES,
    "NOTE": tags.BODY,
    "X-SPOUSE": tags.SPOUSE_NAME,
    "X-MANAGER": tags.MANAGER_NAME,
    "X-ASSISTANT": tags.ASSISTANT,
    "X-PHONETIC-FIRST-NAME": names.YOMI_FIRST_NAME,
    "X-PHONETIC-LAST-NAME": names.YOMI_LAST_NAME,
    "X-PHONETIC-ORG": names.YOMI_COMPANY_NAME,
    "X-OFFICE": tags.OFFICE_LOCATION,
    "X-REFERRED-BY": tags.REFERRED_BY,
    "X-ACCOUNT": tags.ACCOUNT,
    "X-CUSTOMER-ID": tags.CUSTOMER_ID,
    "X-EMPLOYEE-ID": tags.ORGANIZATIONAL_ID_NUMBER,
    "X-GOVERNMENT-ID": tags.GOVERNMENT_ID_NUMBER,
    "X-COMPUTER": tags.COMPUTER_NETWORK_NAME,
    "X-BILLING": names.BILLING,
    "X-MILEAGE": names.MILEAGE,
    "X-USER-FIELD-1": names.USER_FIELDS[0],
    "X-USER-FIELD-2": names.USER_FIELDS[1],
    "X-USER-FIELD-3": names.USER_FIELDS[2],
    "X-USER-FIELD-4": names.USER_FIELDS[3],
}
ADDRESSES_OF_PAGES: Final[dict[str, Place]] = {
    # Values that are addresses, not texts: nothing in them is escaped.
    "FBURL": names.FREE_BUSY_LOCATION,
    "X-FTP": tags.FTP_SITE,
}
DATES: Final = {
    "BDAY": (tags.BIRTHDAY, names.BIRTHDAY_LOCAL),
    "ANNIVERSARY": (tags.WEDDING_ANNIVERSARY, names.ANNIVERSARY_LOCAL),
}
"""At 11:59 UTC, and at midnight without a zone (MS-OXOCNTC 2.2.1.5)."""

RELATED: Final = {
    "SPOUSE": "X-SPOUSE",
    "CHILD": "X-CHILD",
    "MANAGER": "X-MANAGER",
    "ASSISTANT": "X-ASSISTANT",
}
"""The property that a RELATED of this type, or an X-ABRELATEDNAMES of this label, is."""

ALIASES: Final = {
    "HOBBIES": "HOBBY",
    "X-HOBBY": "HOBBY",
    "X-ANNIVERSARY": "ANNIVERSARY",
    "X-EVOLUTION-ANNIVERSARY": "ANNIVERSARY",
    "X-MS-ANNIVERSARY": "ANNIVERSARY",
    "X-KADDRESSBOOK-X-ANNIVERSARY": "ANNIVERSARY",
    "X-EVOLUTION-SPOUSE": "X-SPOUSE",
    "X-MS-SPOUSE": "X-SPOUSE",
    "X-KADDRESSBOOK-X-SPOUSESNAME": "X-SPOUSE",
    "X-EVOLUTION-MANAGER": "X-MANAGER",
    "X-MS-MANAGER": "X-MANAGER",
    "X-KADDRESSBOOK-X-MANAGERSNAME": "X-MANAGER",
    "X-EVOLUTION-ASSISTANT": "X-ASSISTANT",
    "X-MS-ASSISTANT": "X-ASSISTANT",
    "X-KADDRESSBOOK-X-ASSISTANTSNAME": "X-ASSISTANT",
    "X-MS-CHILD": "X-CHILD",
    "X-KADDRESSBOOK-X-OFFICE": "X-OFFICE",
    "X-KADDRESSBOOK-X-PROFESSION": "ROLE",
    "X-KADDRESSBOOK-X-IMADDRESS": "IMPP",
    "X-MS-IMADDRESS": "IMPP",
    "X-GENDER": "GENDER",
    "X-EVOLUTION-FILE-AS": "X-FILE-AS",
    "X-ADDRESSBOOKSERVER-KIND": "KIND",
    "X-ADDRESSBOOKSERVER-MEMBER": "MEMBER",
}
"""What programs call by a name of their own."""

LABELS: Final = {
    "MOBILE": ("CELL",),
    "IPHONE": ("CELL",),
    "HOMEFAX": ("HOME", "FAX"),
    "WORKFAX": ("WORK", "FAX"),
    "OTHERFAX": ("FAX",),
}
"""The types that a label of Apple's address book means; any other label is a type itself."""

GENDERS: Final = {"F": 1, "M": 2}
"""PidTagGender of the first field of GENDER; 0 is unspecified."""

MEDIA: Final = {"LOGO": "Logo", "SOUND": "Sound", "KEY": "Key", "PHOTO": "Photo"}
"""The attachments of a card besides the contact's picture, and how their files are named."""

MEDIA_PLACE: Final = "vcard:"
"""Before the name of its property in PidTagAttachContentLocation of such an attachment."""

MEDIA_TYPES: Final = {
    # Type in vCard 2.1 and 3.0, media type, suffix.
    "JPEG": ("image/jpeg", "jpg"),
    "JPG": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "GIF": ("image/gif", "gif"),
    "BMP": ("image/bmp", "bmp"),
    "TIFF": ("image/tiff", "tif"),
    "WEBP": ("image/webp", "webp"),
    "SVG": ("image/svg+xml", "svg"),
    "WAVE": ("audio/wav", "wav"),
    "WAV": ("audio/wav", "wav"),
    "OGG": ("audio/ogg", "ogg"),
    "MP3": ("audio/mpeg", "mp3"),
    "BASIC": ("audio/basic", "au"),
    "PGP": ("application/pgp-keys", "asc"),
    "X509": ("application/pkix-cert", "cer"),
}
