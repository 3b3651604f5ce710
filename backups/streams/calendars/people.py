"""Organizer and attendees: from a calendar file to recipients, and back (MS-OXCICAL 2.1.3.1.1.20).

What a recipient has no place for (who answers for whom, a language, a chair) stays with the item
as the attendee's line, and is put back beside what the item says by then.
"""

from __future__ import annotations

import re
from typing import Final

from icalendar import Component, vCalAddress

from backups.streams.calendars.component import Entry
from backups.streams.native import names, tags
from backups.streams.native.assembly import Draft, flag, integer, recipient, representing, sender
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, address_of, sender_of
from backups.streams.native.tokens import Node, Owner

MEETING, RECEIVED, CANCELLED = 1, 2, 4
"""Bits of PidLidAppointmentStateFlags."""

_MAILTO = re.compile(r"(?:\s*mailto:)+", re.IGNORECASE)
_ANSWERS: Final = {"TENTATIVE": 2, "ACCEPTED": 3, "DECLINED": 4, "NEEDS-ACTION": 5}
_PARTSTATS: Final = {2: "TENTATIVE", 3: "ACCEPTED", 4: "DECLINED"}
_ROLES: Final = {"OPT-PARTICIPANT": tags.RECIPIENT_CC, "NON-PARTICIPANT": tags.RECIPIENT_CC}
_ROLE_NAMES: Final = {1: "REQ-PARTICIPANT", 2: "OPT-PARTICIPANT", 3: "NON-PARTICIPANT"}
_RESOURCES: Final = frozenset({"RESOURCE", "ROOM"})
_SAID: Final = frozenset({"CN", "PARTSTAT", "ROLE", "CUTYPE", "EMAIL"})
"""Parameters of an attendee that a recipient has a place for."""
_WORDS: Final = {
    "ROLE": {"", "REQ-PARTICIPANT", "OPT-PARTICIPANT"},
    "PARTSTAT": {"", "ACCEPTED", "DECLINED", "TENTATIVE", "NEEDS-ACTION"},
    "CUTYPE": {"", "INDIVIDUAL", "RESOURCE", "ROOM", "GROUP"},
}
_ORGANIZER_FLAGS: Final = 3
_ORGANIZER: Final = 2
_ORGANIZED: Final = 1
_GROUP, _ROOM = 8, 7
"""PidTagObjectType of a distribution list, PidTagDisplayTypeEx of a room."""


def add_people(entry: Entry, draft: Draft) -> tuple[str, str]:
    """The organizer and the attendees of ``entry`` as recipients; gives the organizer."""
    organizer = ("", "")
    for value in entry.values("ORGANIZER")[:1]:
        organizer = person(value)
        draft.add(*representing(*organizer), *sender(*_sent_by(value, organizer)))
        row = recipient(0, tags.RECIPIENT_TO, *organizer, flags=_ORGANIZER_FLAGS)
        row.properties.append(integer(tags.RECIPIENT_TRACK_STATUS, _ORGANIZED))
        draft.recipients.append(row)
        if set(map(str.upper, _params(value))) - {"CN", "SENT-BY", "EMAIL"}:
            entry.keep_lines("ORGANIZER")
    attendees = entry.values("ATTENDEE")
    lines = entry.lines("ATTENDEE")
    answers = {_params(value).get("RSVP", "").upper() for value in attendees}
    for number, value in enumerate(attendees):
        name, address = person(value)
        own = bool(address) and address.lower() == organizer[1].lower()
        if not own:
            _add_row(draft, value, name, address)
        if (own or len(answers) > 1 or not _said(value)) and len(lines) == len(attendees):
            entry.kept.append(lines[number])
    if attendees:
        draft.add(flag(tags.RESPONSE_REQUESTED, answers == {"TRUE"}))
    cancelled = entry.text("STATUS").upper() == "CANCELLED"
    state = MEETING * bool(attendees) | CANCELLED * cancelled
    draft.name_integer(names.STATE_FLAGS, state)
    draft.name_integer(names.RESPONSE_STATUS, _ORGANIZED if organizer != ("", "") else 0)
    return organizer


def write_people(component: Component, node: Node, content: Content, kept: Component) -> None:
    """Organizer and attendees of the item at ``node``; ``kept`` holds the lines it came with."""
    fields = Fields(node, content, [])
    name, address = sender_of(fields)
    organizer = _address(name, address) if address else None
    if organizer is not None:
        _supplement(organizer, _kept_people(kept, "ORGANIZER").get(address.lower()))
        sent_by = address_of(fields, tags.SENDER_SMTP_ADDRESS, tags.SENDER_EMAIL_ADDRESS)
        if "@" in sent_by and sent_by.lower() != address.lower():
            organizer.params["SENT-BY"] = f"mailto:{' '.join(sent_by.split())}"
        component.add("organizer", organizer)
    attendees = _kept_people(kept, "ATTENDEE")
    asked = bool(fields.value(tags.RESPONSE_REQUESTED))
    for child in node.nodes(Owner.RECIPIENT):
        row = Fields(child, content, [])
        if not (row.integer(tags.RECIPIENT_FLAGS) or 0) & _ORGANIZER:
            component.add("attendee", _attendee(row, attendees, asked=asked))
    if organizer is not None and address.lower() in attendees:
        component.add("attendee", attendees[address.lower()])


def person(value: object) -> tuple[str, str]:
    """Name and address of an ORGANIZER or ATTENDEE."""
    address = _MAILTO.sub("", str(value)).strip()
    params = _params(value)
    return params.get("CN", ""), address or params.get("EMAIL", "")


def _add_row(draft: Draft, value: object, name: str, address: str) -> None:
    params = _params(value)
    kind = params.get("CUTYPE", "").upper()
    role = _ROLES.get(params.get("ROLE", "").upper(), tags.RECIPIENT_TO)
    if kind in _RESOURCES:
        role = tags.RECIPIENT_RESOURCE
    row = recipient(len(draft.recipients), role, name, address)
    if kind == "GROUP":
        row.properties = [p for p in row.properties if p.id != tags.OBJECT_TYPE]
        row.properties.append(integer(tags.OBJECT_TYPE, _GROUP))
    if kind == "ROOM":
        row.properties.append(integer(tags.DISPLAY_TYPE_EX, _ROOM))
    answer = _ANSWERS.get(params.get("PARTSTAT", "").upper(), 0)
    row.properties.append(integer(tags.RECIPIENT_TRACK_STATUS, answer))
    draft.recipients.append(row)


def _attendee(row: Fields, kept: dict[str, vCalAddress], *, asked: bool) -> vCalAddress:
    address = row.text(tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS)
    found = _address(row.text(tags.RECIPIENT_DISPLAY_NAME, tags.DISPLAY_NAME), address)
    role = (row.integer(tags.RECIPIENT_TYPE) or 1) & 0xF
    if role == tags.RECIPIENT_RESOURCE:
        room = row.integer(tags.DISPLAY_TYPE_EX) == _ROOM
        found.params["CUTYPE"] = "ROOM" if room else "RESOURCE"
    elif row.integer(tags.OBJECT_TYPE) == _GROUP:
        found.params["CUTYPE"] = "GROUP"
    found.params["ROLE"] = _ROLE_NAMES.get(role, "REQ-PARTICIPANT")
    answer = row.integer(tags.RECIPIENT_TRACK_STATUS) or 0
    found.params["PARTSTAT"] = _PARTSTATS.get(answer, "NEEDS-ACTION")
    if asked:
        found.params["RSVP"] = "TRUE"
    return _supplement(found, kept.get(address.lower()))


def _supplement(found: vCalAddress, kept: vCalAddress | None) -> vCalAddress:
    """Put back what the line of the person said beyond the item's own words."""
    for name, value in (kept.params if kept is not None else {}).items():
        words = _WORDS.get(name)
        finer = name not in _SAID or (words is not None and str(value).upper() not in words)
        answered = name == "PARTSTAT" and found.params.get(name) != "NEEDS-ACTION"
        if finer and not answered:
            found.params[name] = value
    return found


def _kept_people(kept: Component, name: str) -> dict[str, vCalAddress]:
    found = kept.get(name)
    values = found if isinstance(found, list) else [] if found is None else [found]
    people = [value for value in values if isinstance(value, vCalAddress)]
    return {person(value)[1].lower(): value for value in people}


def _said(value: object) -> bool:
    """Whether a recipient can say all that an attendee's line does."""
    params = _params(value)
    if set(params) - _SAID - {"RSVP"}:
        return False
    return all(params.get(name, "").upper() in words for name, words in _WORDS.items())


def _params(value: object) -> dict[str, str]:
    params = getattr(value, "params", {})
    return {str(name).upper(): str(value) for name, value in params.items()}


def _sent_by(value: object, organizer: tuple[str, str]) -> tuple[str, str]:
    address = _MAILTO.sub("", _params(value).get("SENT-BY", "")).strip()
    return ("", address) if address else organizer


def _address(name: str, address: str) -> vCalAddress:
    one_line = " ".join(address.split())
    found = vCalAddress(one_line if ":" in one_line else f"mailto:{one_line}")
    shown = "".join(letter for letter in name if letter.isprintable() and letter != '"')
    if shown and shown != address:
        found.params["CN"] = shown
    return found
