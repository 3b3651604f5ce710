"""Invitations in mail: the item is the meeting, the mail keeps its calendar part."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

import pytest

from backups.streams import from_mime, item_view, read_item, to_eml, validate
from backups.streams.native import names, tags

CALENDAR = """\
BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//Acme//EN\r
METHOD:{method}\r
BEGIN:VEVENT\r
UID:plans@acme.example\r
DTSTAMP:20260901T080000Z\r
DTSTART:20260904T090000Z\r
DTEND:20260904T100000Z\r
SUMMARY:Plans\r
LOCATION:Room 1\r
ORGANIZER;CN=Anna:mailto:anna@acme.example\r
ATTENDEE;CN=Ben;PARTSTAT={answer};ROLE=REQ-PARTICIPANT:mailto:ben@acme.example\r
X-ACME-KEPT:as it came\r
END:VEVENT\r
END:VCALENDAR\r
"""


def invitation(method: str, answer: str = "NEEDS-ACTION") -> bytes:
    calendar = CALENDAR.format(method=method, answer=answer)
    return (
        "From: Anna <anna@acme.example>\r\nTo: ben@acme.example\r\nSubject: Plans\r\n"
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nDo come\r\n"
        f"--b\r\nContent-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n{calendar}\r\n"
        "--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("method", "answer", "item_class"),
    [
        ("REQUEST", "NEEDS-ACTION", "IPM.Schedule.Meeting.Request"),
        ("CANCEL", "NEEDS-ACTION", "IPM.Schedule.Meeting.Canceled"),
        ("REPLY", "ACCEPTED", "IPM.Schedule.Meeting.Resp.Pos"),
        ("REPLY", "DECLINED", "IPM.Schedule.Meeting.Resp.Neg"),
        ("REPLY", "TENTATIVE", "IPM.Schedule.Meeting.Resp.Tent"),
    ],
)
def test_the_method_decides_what_a_meeting_mail_is(
    method: str, answer: str, item_class: str
) -> None:
    payload = from_mime(invitation(method, answer))

    assert validate(payload).item_class == item_class
    assert item_view(payload).text.strip() == "Do come"


def test_an_invitation_has_the_dates_and_people_of_its_event() -> None:
    item = read_item(from_mime(invitation("REQUEST")))

    start = item.named(names.START_WHOLE)
    location = item.named(names.LOCATION)
    assert start is not None
    assert location is not None
    assert str(start.value) == "2026-09-04 09:00:00+00:00"
    assert location.value == "Room 1"
    addresses = [
        p.value for r in item.recipients for p in r.properties if p.id == tags.SMTP_ADDRESS
    ]
    assert "ben@acme.example" in addresses


def test_the_calendar_part_is_written_as_it_came() -> None:
    message = message_from_bytes(to_eml(from_mime(invitation("REQUEST"))))

    parts = message.get_payload()
    assert isinstance(parts, list)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/calendar"]
    calendar = parts[1]
    assert isinstance(calendar, Message)
    assert calendar.get_param("method") == "REQUEST"
    written = calendar.get_payload(decode=True)
    expected = CALENDAR.format(method="REQUEST", answer="NEEDS-ACTION").encode()
    assert written == expected


def test_a_calendar_part_is_made_for_a_meeting_that_has_none() -> None:
    item = read_item(from_mime(invitation("REQUEST")))
    item.attachments = []
    from backups.streams import write_item

    message = message_from_bytes(to_eml(write_item(item)))

    made = [p for p in message.walk() if p.get_content_type() == "text/calendar"]
    assert len(made) == 1
    text = made[0].get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"METHOD:REQUEST\r\n" in text
    assert b"UID:plans@acme.example\r\n" in text


def test_a_calendar_file_that_was_attached_stays_a_file() -> None:
    mail = invitation("REQUEST").replace(
        b"charset=utf-8\r\n\r\n",
        b"charset=utf-8\r\nContent-Disposition: attachment; filename=invite.ics\r\n\r\n",
    )

    payload = from_mime(mail)

    assert validate(payload).item_class == "IPM.Note"
    assert [file.name for file in item_view(payload).attachments] == ["invite.ics"]
