"""Calendars, contacts and tasks of the sample organizations, made as files are: from text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pybase64

from backups.streams import Made, read_ics, read_vcard
from sandbox.items import from_stream
from sandbox.records import NewItem, User
from sandbox.sample_files import SampleFile

_MEETING = """\
BEGIN:VEVENT
UID:weekly-{number}@{domain}
DTSTAMP:20260901T080000Z
SUMMARY:Weekly meeting of {name}
LOCATION:Boardroom
DESCRIPTION:What is done\\, what is next\\, what is in the way.
DTSTART;TZID=Europe/Berlin:20260907T100000
DTEND;TZID=Europe/Berlin:20260907T104500
RRULE:FREQ=WEEKLY;COUNT=20;BYDAY=MO
EXDATE;TZID=Europe/Berlin:20261005T100000
{people}BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT15M
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:weekly-{number}@{domain}
DTSTAMP:20260901T080000Z
RECURRENCE-ID;TZID=Europe/Berlin:20261019T100000
SUMMARY:Weekly meeting of {name}\\, moved for the audit
LOCATION:Übergangsbüro\\, 2nd floor
DTSTART;TZID=Europe/Berlin:20261020T140000
DTEND;TZID=Europe/Berlin:20261020T150000
{people}END:VEVENT
"""
_OWN = """\
BEGIN:VEVENT
UID:leave-{number}@{domain}
DTSTAMP:20260901T080000Z
SUMMARY:{name}: on leave
DTSTART;VALUE=DATE:202610{day:02d}
DTEND;VALUE=DATE:202610{end:02d}
TRANSP:TRANSPARENT
X-MICROSOFT-CDO-BUSYSTATUS:OOF
END:VEVENT
BEGIN:VEVENT
UID:visit-{number}@{domain}
DTSTAMP:20260901T080000Z
SUMMARY:Site visit with the energy supplier
LOCATION:Plant 2\\, gate B
DTSTART:202611{day:02d}T130000Z
DTEND:202611{day:02d}T150000Z
CATEGORIES:Projects,Travel
END:VEVENT
BEGIN:VTODO
UID:task-{number}@{domain}
DTSTAMP:20260901T080000Z
SUMMARY:Prepare the quarterly report
DTSTART;VALUE=DATE:20261101
DUE;VALUE=DATE:202611{day:02d}
STATUS:IN-PROCESS
PERCENT-COMPLETE:40
PRIORITY:1
END:VTODO
"""
_CARD = """\
BEGIN:VCARD
VERSION:3.0
FN:{given} {family}
N:{family};{given};;;
ORG:{company};{unit}
TITLE:{title}
EMAIL;TYPE=INTERNET,WORK:{mail}
TEL;TYPE=WORK,VOICE:{phone}
TEL;TYPE=CELL:{mobile}
ADR;TYPE=WORK:;;{street};{city};;{code};{country}
NOTE:{note}
BDAY:{birthday}
{photo}END:VCARD
"""


@dataclass(frozen=True, slots=True)
class _Person:
    given: str
    family: str
    company: str
    unit: str
    title: str
    mail: str
    phone: str
    mobile: str
    street: str
    city: str
    code: str
    country: str
    birthday: str
    note: str


_PEOPLE = (
    _Person(
        "Zoë", "Marchetti", "Initech", "Purchasing", "Buyer", "zoe@initech.example",
        "+39 02 5550142", "+39 333 5550142", "Via Gioia 8", "Milano", "20124", "Italy",
        "1984-02-29", "Asks for offers on paper.",
    ),
    _Person(
        "健", "佐藤", "Hooli 株式会社", "営業部", "部長", "sato@hooli.example",
        "+81 3 5550 1180", "+81 90 5550 1180", "丸の内1-1", "東京", "100-0005", "日本",
        "1971-11-03", "午前中に電話すること。",
    ),
    _Person(
        "Björn", "Ådahl", "Kraftverket", "Nät", "Ingenjör", "bjorn@kraftverket.example",
        "+46 8 5550177", "+46 70 5550177", "Storgatan 5", "Umeå", "903 26", "Sweden",
        "1990-06-21", "Signs the contract with the energy supplier.",
    ),
)  # fmt: skip


def calendar_of(user: User, staff: Sequence[User], number: int) -> Iterator[NewItem]:
    """The events and the task of a person, the ``number``-th of the organization (from 0)."""
    domain = user.address.partition("@")[2]
    day = number * 3 % 20 + 3
    values = {"number": number, "domain": domain, "name": user.name, "day": day, "end": day + 4}
    people = "".join(
        f"ATTENDEE;CN={other.name};PARTSTAT=ACCEPTED:mailto:{other.address}\n"
        for other in staff
        if other.address != user.address
    )
    people = f"ORGANIZER;CN={user.name}:mailto:{user.address}\n{people}"
    text = (_MEETING + _OWN).format(people=people, **values)
    yield from _items(read_ics(_calendar(text)))


def contacts_of(photo: SampleFile) -> Iterator[NewItem]:
    """The contacts that everyone has, the first of them with a photo."""
    for number, person in enumerate(_PEOPLE):
        encoded = pybase64.b64encode(photo.content).decode("ascii")
        line = "" if number else f"PHOTO;ENCODING=b;TYPE=PNG:{encoded}\n"
        values = {name: getattr(person, name) for name in _Person.__slots__}
        yield from _items(read_vcard(_CARD.format(photo=line, **values).encode("utf-8")))


def _calendar(text: str) -> bytes:
    whole = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Sample//EN\n{text}END:VCALENDAR\n"
    return whole.replace("\n", "\r\n").encode("utf-8")


def _items(made: Iterator[Made]) -> Iterator[NewItem]:
    for entry in made:
        if entry.payload is None:
            raise ValueError(f"{entry.label}: {entry.reason}")
        yield from_stream(entry.payload)
