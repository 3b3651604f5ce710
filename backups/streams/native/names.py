"""Named properties of events, tasks, journal entries and contacts, by their names in MS-OXPROPS.

Without the prefix ``PidLid``; sets and numbers are those of MS-OXPROPS section 2.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from backups.streams.native.properties import PropertyName
from backups.streams.native.tags import PS_INTERNET_HEADERS, PS_PUBLIC_STRINGS

PSETID_COMMON: Final = UUID("00062008-0000-0000-C000-000000000046")
PSETID_APPOINTMENT: Final = UUID("00062002-0000-0000-C000-000000000046")
PSETID_MEETING: Final = UUID("6ED8DA90-450B-101B-98DA-00AA003F1305")
PSETID_TASK: Final = UUID("00062003-0000-0000-C000-000000000046")
PSETID_LOG: Final = UUID("0006200A-0000-0000-C000-000000000046")
PSETID_ADDRESS: Final = UUID("00062004-0000-0000-C000-000000000046")
PSETID_NOTE: Final = UUID("0006200E-0000-0000-C000-000000000046")

REMINDER_DELTA: Final = PropertyName(PSETID_COMMON, lid=0x8501)
REMINDER_TIME: Final = PropertyName(PSETID_COMMON, lid=0x8502)
REMINDER_SET: Final = PropertyName(PSETID_COMMON, lid=0x8503)
PRIVATE: Final = PropertyName(PSETID_COMMON, lid=0x8506)
MILEAGE: Final = PropertyName(PSETID_COMMON, lid=0x8534)
BILLING: Final = PropertyName(PSETID_COMMON, lid=0x8535)
COMPANIES: Final = PropertyName(PSETID_COMMON, lid=0x8539)
CONTACTS: Final = PropertyName(PSETID_COMMON, lid=0x853A)
COMMON_START: Final = PropertyName(PSETID_COMMON, lid=0x8516)
COMMON_END: Final = PropertyName(PSETID_COMMON, lid=0x8517)
REMINDER_SIGNAL_TIME: Final = PropertyName(PSETID_COMMON, lid=0x8560)

APPOINTMENT_SEQUENCE: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8201)
SEQUENCE_TIME: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8202)
BUSY_STATUS: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8205)
LOCATION: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8208)
MEETING_WORKSPACE: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8209)
AUXILIARY_FLAGS: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8207)
COLLABORATE_DOCUMENT: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8247)
NET_SHOW: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8248)
START_WHOLE: Final = PropertyName(PSETID_APPOINTMENT, lid=0x820D)
END_WHOLE: Final = PropertyName(PSETID_APPOINTMENT, lid=0x820E)
DURATION: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8213)
ALL_DAY: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8215)
APPOINTMENT_RECUR: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8216)
STATE_FLAGS: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8217)
RESPONSE_STATUS: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8218)
RECURRING: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8223)
EXCEPTION_REPLACE_TIME: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8228)
RECURRENCE_TYPE: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8231)
TIME_ZONE_STRUCT: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8233)
TIME_ZONE_DESCRIPTION: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8234)
CLIP_START: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8235)
CLIP_END: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8236)
ZONE_START: Final = PropertyName(PSETID_APPOINTMENT, lid=0x825E)
ZONE_END: Final = PropertyName(PSETID_APPOINTMENT, lid=0x825F)
ZONE_RECUR: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8260)
INTENDED_BUSY_STATUS: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8224)
REPLY_TIME: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8220)
INVITED: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8229)
RECURRENCE_TEXT: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8232)
ALL_ATTENDEES: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8238)
TO_ATTENDEES: Final = PropertyName(PSETID_APPOINTMENT, lid=0x823B)
CC_ATTENDEES: Final = PropertyName(PSETID_APPOINTMENT, lid=0x823C)
PROPOSED_START: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8250)
PROPOSED_END: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8251)
PROPOSED_DURATION: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8256)
COUNTER_PROPOSAL: Final = PropertyName(PSETID_APPOINTMENT, lid=0x8257)
NO_PROPOSALS: Final = PropertyName(PSETID_APPOINTMENT, lid=0x825A)

GLOBAL_OBJECT_ID: Final = PropertyName(PSETID_MEETING, lid=0x0003)
CLEAN_GLOBAL_OBJECT_ID: Final = PropertyName(PSETID_MEETING, lid=0x0023)
ATTENDEE_CRITICAL_CHANGE: Final = PropertyName(PSETID_MEETING, lid=0x0001)
WHERE: Final = PropertyName(PSETID_MEETING, lid=0x0002)
IS_RECURRING: Final = PropertyName(PSETID_MEETING, lid=0x0005)
IS_EXCEPTION: Final = PropertyName(PSETID_MEETING, lid=0x000A)
OWNER_CRITICAL_CHANGE: Final = PropertyName(PSETID_MEETING, lid=0x001A)
MEETING_TYPE: Final = PropertyName(PSETID_MEETING, lid=0x0026)
OLD_LOCATION: Final = PropertyName(PSETID_MEETING, lid=0x0028)
OLD_START_WHOLE: Final = PropertyName(PSETID_MEETING, lid=0x0029)
OLD_END_WHOLE: Final = PropertyName(PSETID_MEETING, lid=0x002A)

TASK_STATUS: Final = PropertyName(PSETID_TASK, lid=0x8101)
PERCENT_COMPLETE: Final = PropertyName(PSETID_TASK, lid=0x8102)
TASK_START: Final = PropertyName(PSETID_TASK, lid=0x8104)
TASK_DUE: Final = PropertyName(PSETID_TASK, lid=0x8105)
TASK_COMPLETED: Final = PropertyName(PSETID_TASK, lid=0x810F)
TASK_COMPLETE: Final = PropertyName(PSETID_TASK, lid=0x811C)
TASK_RESET_REMINDER: Final = PropertyName(PSETID_TASK, lid=0x8107)
TASK_DEAD_OCCURRENCE: Final = PropertyName(PSETID_TASK, lid=0x8109)
TASK_RECURRENCE: Final = PropertyName(PSETID_TASK, lid=0x8116)
TASK_OWNER: Final = PropertyName(PSETID_TASK, lid=0x811F)
TASK_ASSIGNER: Final = PropertyName(PSETID_TASK, lid=0x8121)
TASK_ACTUAL_EFFORT: Final = PropertyName(PSETID_TASK, lid=0x8110)
TASK_ESTIMATED_EFFORT: Final = PropertyName(PSETID_TASK, lid=0x8111)
TASK_ACCEPTANCE_STATE: Final = PropertyName(PSETID_TASK, lid=0x812A)
TASK_RECURRING: Final = PropertyName(PSETID_TASK, lid=0x8126)

LOG_TYPE: Final = PropertyName(PSETID_LOG, lid=0x8700)
LOG_START: Final = PropertyName(PSETID_LOG, lid=0x8706)
LOG_END: Final = PropertyName(PSETID_LOG, lid=0x8708)
LOG_DURATION: Final = PropertyName(PSETID_LOG, lid=0x8707)
LOG_TYPE_DESCRIPTION: Final = PropertyName(PSETID_LOG, lid=0x8712)

NOTE_COLOR: Final = PropertyName(PSETID_NOTE, lid=0x8B00)

FILE_UNDER: Final = PropertyName(PSETID_ADDRESS, lid=0x8005)
HAS_PICTURE: Final = PropertyName(PSETID_ADDRESS, lid=0x8015)
HOME_ADDRESS: Final = PropertyName(PSETID_ADDRESS, lid=0x801A)
WORK_ADDRESS: Final = PropertyName(PSETID_ADDRESS, lid=0x801B)
OTHER_ADDRESS: Final = PropertyName(PSETID_ADDRESS, lid=0x801C)
POSTAL_ADDRESS_ID: Final = PropertyName(PSETID_ADDRESS, lid=0x8022)
WEB_PAGE: Final = PropertyName(PSETID_ADDRESS, lid=0x802B)
YOMI_FIRST_NAME: Final = PropertyName(PSETID_ADDRESS, lid=0x802C)
YOMI_LAST_NAME: Final = PropertyName(PSETID_ADDRESS, lid=0x802D)
YOMI_COMPANY_NAME: Final = PropertyName(PSETID_ADDRESS, lid=0x802E)
USER_FIELDS: Final = tuple(PropertyName(PSETID_ADDRESS, lid=lid) for lid in range(0x804F, 0x8053))
DISTRIBUTION_LIST_CHECKSUM: Final = PropertyName(PSETID_ADDRESS, lid=0x804C)
DISTRIBUTION_LIST_NAME: Final = PropertyName(PSETID_ADDRESS, lid=0x8053)
DISTRIBUTION_LIST_STREAM: Final = PropertyName(PSETID_ADDRESS, lid=0x8064)
FREE_BUSY_LOCATION: Final = PropertyName(PSETID_ADDRESS, lid=0x80D8)
BIRTHDAY_LOCAL: Final = PropertyName(PSETID_ADDRESS, lid=0x80DE)
ANNIVERSARY_LOCAL: Final = PropertyName(PSETID_ADDRESS, lid=0x80DF)
DISTRIBUTION_LIST_ONE_OFF_MEMBERS: Final = PropertyName(PSETID_ADDRESS, lid=0x8054)
DISTRIBUTION_LIST_MEMBERS: Final = PropertyName(PSETID_ADDRESS, lid=0x8055)
WORK_STREET: Final = PropertyName(PSETID_ADDRESS, lid=0x8045)
WORK_CITY: Final = PropertyName(PSETID_ADDRESS, lid=0x8046)
WORK_STATE: Final = PropertyName(PSETID_ADDRESS, lid=0x8047)
WORK_POSTAL_CODE: Final = PropertyName(PSETID_ADDRESS, lid=0x8048)
WORK_COUNTRY: Final = PropertyName(PSETID_ADDRESS, lid=0x8049)
WORK_POST_OFFICE_BOX: Final = PropertyName(PSETID_ADDRESS, lid=0x804A)
INSTANT_MESSAGING: Final = PropertyName(PSETID_ADDRESS, lid=0x8062)

MEETING_LINKS: Final = (
    PropertyName(PS_PUBLIC_STRINGS, name="SkypeTeamsMeetingUrl"),
    PropertyName(PS_PUBLIC_STRINGS, name="OnlineMeetingConfLink"),
    PropertyName(PS_PUBLIC_STRINGS, name="OnlineMeetingExternalLink"),
    PropertyName(PS_PUBLIC_STRINGS, name="OnlineMeetingInternalLink"),
)
"""By which clients name where an online meeting is held."""

CONTENT_CLASS: Final = PropertyName(PS_INTERNET_HEADERS, name="content-class")

EMAILS: Final = (0x8080, 0x8090, 0x80A0)
"""First number of the five properties of each of a contact's three mail addresses."""

KEPT_LINES: Final = PropertyName(PS_PUBLIC_STRINGS, name="stowage:kept-lines")
"""Content lines of an iCalendar or vCard object that no other property has a place for."""

GLOBAL_ID_PREFIX: Final = bytes.fromhex("040000008200e00074c5b7101a82e008")
"""First 16 bytes of every PidLidGlobalObjectId (MS-OXOCAL 2.2.1.27)."""

FOREIGN_UID: Final = b"vCal-Uid\x01\x00\x00\x00"
"""Before a UID that is not itself the hexadecimal form of a global object id."""


def email(place: int, part: int) -> PropertyName:
    """Of address ``place`` (0 to 2), part 0 display name, 2 type, 3 address, 4 original name."""
    return PropertyName(PSETID_ADDRESS, lid=EMAILS[place] + part)
