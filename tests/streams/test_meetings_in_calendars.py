"""Meetings in mail, zones by rule, tasks and alarms of calendar files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import icalendar
import pytest

from backups.streams import from_ics, open_stream, read_ics, read_item, write_calendar, write_ics
from backups.streams.calendars.meeting import invitation, method_of, read_meeting
from backups.streams.calendars.recurrence import decode_pattern
from backups.streams.calendars.zone_rules import RuleZone, defined_name, defined_rules
from backups.streams.native import names, tags
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.item import write_item

REQUEST = """\
BEGIN:VCALENDAR
VERSION:2.0
METHOD:{method}
BEGIN:VEVENT
UID:plan@acme.example
DTSTAMP:20260101T080000Z
SUMMARY:Plan
LOCATION:Room 5
DTSTART;TZID=Europe/Berlin:20260302T100000
DTEND;TZID=Europe/Berlin:20260302T110000
ORGANIZER;CN=Anna:mailto:anna@acme.example
ATTENDEE;CN=Ravi;PARTSTAT={answer};ROLE=CHAIR;RSVP=TRUE:mailto:ravi@acme.example
X-MICROSOFT-CDO-OWNERAPPTID:42
END:VEVENT
END:VCALENDAR
"""


def part(method: str, answer: str = "NEEDS-ACTION") -> bytes:
    return REQUEST.format(method=method, answer=answer).replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("method", "answer", "item_class"),
    [
        ("REQUEST", "NEEDS-ACTION", "IPM.Schedule.Meeting.Request"),
        ("CANCEL", "NEEDS-ACTION", "IPM.Schedule.Meeting.Canceled"),
        ("REPLY", "ACCEPTED", "IPM.Schedule.Meeting.Resp.Pos"),
        ("REPLY", "DECLINED", "IPM.Schedule.Meeting.Resp.Neg"),
        ("REPLY", "TENTATIVE", "IPM.Schedule.Meeting.Resp.Tent"),
        ("COUNTER", "TENTATIVE", "IPM.Schedule.Meeting.Resp.Tent"),
    ],
)
def test_a_meeting_in_a_mail_has_the_class_of_what_it_asks(
    method: str, answer: str, item_class: str
):
    meeting = read_meeting(part(method, answer))
    assert meeting is not None
    assert (meeting.method, meeting.item_class) == (method, item_class)
    item = meeting.draft.item()
    assert item.find(tags.MESSAGE_CLASS).value == item_class
    assert item.find(tags.START_DATE).value == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert item.find(tags.OWNER_APPOINTMENT_ID).value == 42
    assert item.named(names.WHERE).value == "Room 5"


@pytest.mark.parametrize("raw", [b"", b"junk", part("REFRESH"), part("REPLY", "DELEGATED")])
def test_what_is_no_meeting_of_outlook_is_none(raw: bytes):
    assert read_meeting(raw) is None


def written_of(raw: bytes, method: str = "") -> icalendar.Calendar:
    meeting = read_meeting(raw)
    assert meeting is not None
    stream = open_stream(write_item(meeting.draft.item(), build=SERVER_BUILD))
    return icalendar.Calendar.from_ical(invitation(stream.scan.root, stream.content, method))


def test_an_invitation_says_again_what_the_request_said():
    calendar = written_of(part("REQUEST"))
    assert str(calendar["METHOD"]) == "REQUEST"
    (event,) = calendar.walk("VEVENT")
    assert str(event["UID"]) == "plan@acme.example"
    assert event["DTSTAMP"].dt == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert event["ATTENDEE"].params["ROLE"] == "CHAIR"
    assert event["ATTENDEE"].params["RSVP"] == "TRUE"
    assert str(event["ORGANIZER"]) == "mailto:anna@acme.example"
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Berlin"]


def test_a_cancellation_says_that_it_is_one():
    calendar = written_of(part("CANCEL"))
    assert str(calendar["METHOD"]) == "CANCEL"
    assert str(calendar.walk("VEVENT")[0]["STATUS"]) == "CANCELLED"


def test_the_method_of_a_class():
    assert method_of("IPM.Schedule.Meeting.Resp.Neg") == "REPLY"
    assert method_of("IPM.Note") == ""


ZONE = """\
BEGIN:VTIMEZONE
TZID:Our own\\, odd
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0420
TZOFFSETTO:+0320
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0320
TZOFFSETTO:+0420
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar_of(text: str) -> bytes:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{text}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def test_a_zone_without_a_name_elsewhere_keeps_its_rules():
    event = 'BEGIN:VEVENT\nUID:1\nDTSTART;TZID="Our own, odd":20260702T100000\nDURATION:PT1H\n'
    (payload,) = from_ics(calendar_of(f"{ZONE}{event}RRULE:FREQ=MONTHLY;COUNT=9\nEND:VEVENT\n"))
    raw = read_item(payload).named(names.ZONE_RECUR).value
    assert defined_name(raw) == "Our own, odd"
    zone = RuleZone("x", defined_rules(raw))
    assert zone.utcoffset(datetime(2026, 7, 2, 10)) == timedelta(hours=4, minutes=20)
    assert zone.utcoffset(datetime(2026, 12, 2, 10)) == timedelta(hours=3, minutes=20)
    written = icalendar.Calendar.from_ical(write_ics(payload))
    (event_again,) = written.walk("VEVENT")
    assert event_again["DTSTART"].params["TZID"] == "Our own odd"
    assert event_again["DTSTART"].dt.astimezone(UTC) == datetime(2026, 7, 2, 5, 40, tzinfo=UTC)
    parts = {part.name: part for part in written.walk("VTIMEZONE")[0].subcomponents}
    assert parts["DAYLIGHT"]["RRULE"].to_ical() == b"FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"
    assert parts["STANDARD"]["TZOFFSETTO"].td == timedelta(hours=3, minutes=20)


@pytest.mark.parametrize(
    ("wall", "fold", "hours"),
    [
        ((2026, 3, 29, 1, 59), 0, 1),
        ((2026, 3, 29, 3), 0, 2),
        ((2026, 10, 25, 2, 30), 0, 2),
        ((2026, 10, 25, 2, 30), 1, 1),
        ((2026, 10, 25, 3), 0, 1),
    ],
)
def test_a_zone_by_rule_changes_when_the_rule_says(wall: tuple[int, ...], fold: int, hours: int):
    (payload,) = from_ics(
        calendar_of("BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260702T100000\nEND:VEVENT\n")
    )
    zone = RuleZone("x", defined_rules(read_item(payload).named(names.ZONE_START).value))
    local = datetime(*wall, fold=fold, tzinfo=zone)  # type: ignore[misc]
    assert local.utcoffset() == timedelta(hours=hours)
    again = local.astimezone(UTC).astimezone(zone)
    assert (again.replace(tzinfo=None), again.fold) == (datetime(*wall), fold)  # type: ignore[misc]


def test_dates_without_a_zone_stay_without():
    made = list(read_ics(calendar_of("BEGIN:VEVENT\nUID:1\nDTSTART:20260301T090000\nEND:VEVENT\n")))
    assert made[0].notes == ("dates without a time zone are read as UTC",)
    assert b"DTSTART:20260301T090000\r\n" in write_ics(made[0].payload)


def test_a_recurring_task_has_the_pattern_of_its_rule():
    text = "BEGIN:VTODO\nUID:t\nDUE;VALUE=DATE:20260305\nRRULE:FREQ=WEEKLY;BYDAY=TH\nEND:VTODO\n"
    (payload,) = from_ics(calendar_of(text))
    item = read_item(payload)
    assert item.named(names.TASK_RECURRING).value is True
    series = decode_pattern(item.named(names.TASK_RECURRENCE).value)
    assert (series.pattern.first, series.pattern.weekdays) == (date(2026, 3, 5), 0b10000)
    (task,) = icalendar.Calendar.from_ical(write_ics(payload)).walk("VTODO")
    assert task["DUE"].dt == task["DTSTART"].dt == date(2026, 3, 5)
    assert task["RRULE"]["BYDAY"] == ["TH"]


ALARM = "BEGIN:VALARM\nACTION:{0}\nTRIGGER{1}\nEND:VALARM\n"


@pytest.mark.parametrize(
    ("trigger", "minutes"),
    [(":-PT20M", 20), (";RELATED=END:-PT90M", 30), (";VALUE=DATE-TIME:20260301T085500Z", 5)],
)
def test_an_alarm_before_the_start_is_the_reminder(trigger: str, minutes: int):
    alarm = ALARM.format("DISPLAY", trigger)
    event = f"BEGIN:VEVENT\nUID:1\nDTSTART:20260301T090000Z\nDURATION:PT1H\n{alarm}END:VEVENT\n"
    (payload,) = from_ics(calendar_of(event))
    assert read_item(payload).named(names.REMINDER_DELTA).value == minutes
    (written,) = icalendar.Calendar.from_ical(write_ics(payload)).walk("VALARM")
    assert str(written["ACTION"]) == "DISPLAY"


def test_several_alarms_all_come_back():
    alarms = ALARM.format("DISPLAY", ":PT5M") + ALARM.format("AUDIO", ":-PT5M")
    event = f"BEGIN:VEVENT\nUID:1\nDTSTART:20260301T090000Z\n{alarms}END:VEVENT\n"
    (made,) = read_ics(calendar_of(event))
    assert made.notes == ("Outlook has one reminder; the other alarms are kept as text",)
    written = icalendar.Calendar.from_ical(write_ics(made.payload)).walk("VALARM")
    assert sorted(str(alarm["ACTION"]) for alarm in written) == ["AUDIO", "DISPLAY"]


def test_several_items_are_one_calendar_with_each_zone_once():
    text = "BEGIN:VEVENT\nUID:{0}\nDTSTART;TZID=Europe/Berlin:2026030{0}T100000\nEND:VEVENT\n"
    streams = from_ics(calendar_of(text.format(1) + text.format(2)))
    calendar = icalendar.Calendar.from_ical(write_calendar(streams))
    assert [str(event["UID"]) for event in calendar.walk("VEVENT")] == ["1", "2"]
    assert len(calendar.walk("VTIMEZONE")) == 1


def test_a_change_of_all_later_occurrences_is_an_item_of_its_own_with_a_note():
    text = (
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260301T090000Z\nRRULE:FREQ=DAILY;COUNT=9\nEND:VEVENT\n"
        "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260303T090000Z\n"
        "DTSTART:20260303T100000Z\nEND:VEVENT\n"
    )
    series, later = read_ics(calendar_of(text))
    assert series.notes == ()
    assert later.notes == ("RECURRENCE-ID changes all later occurrences; kept as text",)
    assert b"RANGE=THISANDFUTURE" in write_ics(later.payload)
