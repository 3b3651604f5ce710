"""Calendar files: what becomes of events, tasks and journal entries, and how they are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import icalendar
import pytest

from backups.streams import (
    MailError,
    attachment_content,
    from_ics,
    index_record,
    item_view,
    read_ics,
    read_item,
    validate,
    write_ics,
    write_item,
)
from backups.streams.calendars.exceptions import Change
from backups.streams.calendars.recurrence import End, Frequency, Pattern, Recurrence, Shape
from backups.streams.calendars.recurrence import decode as decode_recurrence
from backups.streams.calendars.recurrence import encode as encode_recurrence
from backups.streams.calendars.zone_rules import defined_name, definition
from backups.streams.calendars.zones import offsets, zone_named
from backups.streams.native import names, tags

from .samples import BUILD, letter

SERIES = """\
BEGIN:VEVENT
UID:standup@acme.example
SUMMARY:Stand-up
LOCATION:Room 5
DESCRIPTION:First line\\nsecond line
DTSTART;TZID=Europe/Berlin:20260907T093000
DTEND;TZID=Europe/Berlin:20260907T094500
RRULE:FREQ=WEEKLY;COUNT=10;BYDAY=MO,WE
EXDATE;TZID=Europe/Berlin:20260914T093000
ORGANIZER;CN=Anna Berg:mailto:anna@acme.example
ATTENDEE;CN=Ravi Kumar;PARTSTAT=ACCEPTED:mailto:ravi@acme.example
ATTENDEE;CUTYPE=ROOM;CN=Room 5:mailto:room5@acme.example
CATEGORIES:Team,Daily
X-COLOUR:teal
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT10M
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:standup@acme.example
RECURRENCE-ID;TZID=Europe/Berlin:20260916T093000
SUMMARY:Stand-up\\, later
LOCATION:Łódź
DTSTART;TZID=Europe/Berlin:20260916T150000
DTEND;TZID=Europe/Berlin:20260916T153000
END:VEVENT
"""


def calendar(text: str) -> bytes:
    whole = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\n{text}END:VCALENDAR\n"
    return whole.replace("\n", "\r\n").encode()


def event(*lines: str) -> bytes:
    return calendar("\n".join(("BEGIN:VEVENT", "UID:1", *lines, "END:VEVENT", "")))


def test_a_series_becomes_one_appointment_with_its_exception():
    (payload,) = from_ics(calendar(SERIES))
    assert validate(payload).item_class == "IPM.Appointment"
    item = read_item(payload)
    assert item.find(tags.SUBJECT).value == "Stand-up"
    assert item.named(names.LOCATION).value == "Room 5"
    assert item.named(names.START_WHOLE).value == datetime(2026, 9, 7, 7, 30, tzinfo=UTC)
    assert item.named(names.COMMON_END).value == datetime(2026, 9, 7, 7, 45, tzinfo=UTC)
    assert item.named(names.REMINDER_DELTA).value == 10
    assert item.named(names.KEPT_LINES).value == ["X-COLOUR:teal"]
    assert defined_name(item.named(names.ZONE_START).value) == "W. Europe Standard Time"
    kinds = [r.properties[0].value for r in item.recipients]
    assert kinds == [tags.RECIPIENT_TO, tags.RECIPIENT_TO, tags.RECIPIENT_RESOURCE]
    series = decode_recurrence(item.named(names.APPOINTMENT_RECUR).value)
    assert series.pattern.weekdays == 0b1010
    assert series.pattern.last == date(2026, 10, 7)
    assert (series.start, series.end) == (570, 585)
    assert series.deleted == (date(2026, 9, 14),)
    assert series.changes == (
        Change(
            datetime(2026, 9, 16, 9, 30),
            datetime(2026, 9, 16, 15),
            datetime(2026, 9, 16, 15, 30),
            "Stand-up, later",
            "Łódź",
            body=True,
        ),
    )
    (attachment,) = item.attachments
    assert attachment.embedded is not None
    assert attachment.embedded.find(tags.SUBJECT).value == "Stand-up, later"


def test_a_series_is_indexed_and_shown_by_its_own_dates():
    (payload,) = from_ics(calendar(SERIES))
    record = index_record(payload)
    assert record.notes == ()
    assert record.start_at == record.received_at == datetime(2026, 9, 7, 7, 30, tzinfo=UTC)
    assert record.end_at == datetime(2026, 9, 7, 7, 45, tzinfo=UTC)
    assert record.sender_address == "anna@acme.example"
    assert record.categories == ("Team", "Daily")
    assert not record.has_attachments
    view = item_view(payload)
    assert view.attachments == ()
    assert view.text == "First line\r\nsecond line"


def test_a_series_written_as_ics_says_the_same_to_another_parser():
    (payload,) = from_ics(calendar(SERIES))
    written = icalendar.Calendar.from_ical(write_ics(payload))
    series, changed = written.walk("VEVENT")
    assert str(series["UID"]) == str(changed["UID"]) == "standup@acme.example"
    assert series["DTSTART"].params["TZID"] == "Europe/Berlin"
    assert series["DTSTART"].dt.utcoffset() == timedelta(hours=2)
    assert series["RRULE"]["COUNT"] == [10]
    assert series["RRULE"]["BYDAY"] == ["MO", "WE"]
    assert [d.dt.date() for d in series["EXDATE"].dts] == [date(2026, 9, 14)]
    assert str(series["X-COLOUR"]) == "teal"
    assert series["ATTENDEE"][0].params["PARTSTAT"] == "ACCEPTED"
    assert series.walk("VALARM")[0]["TRIGGER"].dt == timedelta(minutes=-10)
    assert changed["RECURRENCE-ID"].dt == datetime(2026, 9, 16, 7, 30, tzinfo=UTC)
    assert str(changed["LOCATION"]) == "Łódź"
    assert [str(zone["TZID"]) for zone in written.walk("VTIMEZONE")] == ["Europe/Berlin"]


def test_of_three_events_the_broken_one_is_named_and_two_are_made():
    text = "".join(
        f"BEGIN:VEVENT\nUID:{n}\nSUMMARY:Event {n}\nDTSTART:{start}\nEND:VEVENT\n"
        for n, start in enumerate(("20260301T100000Z", "2026-13-45", "20260302T100000Z"))
    )
    made = list(read_ics(calendar(text)))
    assert [entry.payload is not None for entry in made] == [True, False, True]
    assert made[1].label == "event 2, Event 1"
    assert made[1].reason == "DTSTART is no date: 2026-13-45"
    with pytest.raises(MailError, match="event 2, Event 1: DTSTART is no date"):
        from_ics(calendar(text))


def test_a_file_cut_short_keeps_what_is_whole():
    raw = calendar(SERIES)
    made = list(read_ics(raw[: raw.rindex(b"RECURRENCE-ID")]))
    assert [entry.reason for entry in made] == ["it ends before END:VEVENT", ""]


@pytest.mark.parametrize("raw", [b"", b"hello", calendar(""), b"\xff\xfe\x00"])
def test_a_file_without_objects_is_refused(raw: bytes):
    with pytest.raises(MailError, match="holds no calendar object"):
        list(read_ics(raw))


def test_free_busy_is_named_and_not_made():
    (made,) = read_ics(calendar("BEGIN:VFREEBUSY\nUID:1\nEND:VFREEBUSY\n"))
    assert made.reason == "a VFREEBUSY is no item"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("FREQ=HOURLY", "a frequency of HOURLY"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO has no place in a pattern"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", "several days of a month"),
        ("FREQ=WEEKLY;BYDAY=TU", "a first event on a day that the rule leaves out"),
        ("FREQ=DAILY;COUNT=1000000", "1000000 occurrences"),
    ],
)
def test_a_rule_that_outlook_has_no_pattern_for_stays_as_text(rule: str, why: str):
    (made,) = read_ics(event("DTSTART:20260907T090000Z", f"RRULE:{rule}"))
    assert made.notes == (f"RRULE is kept as text: {why}",)
    assert made.payload is not None
    item = read_item(made.payload)
    assert item.named(names.APPOINTMENT_RECUR) is None
    assert item.named(names.KEPT_LINES).value == [f"RRULE:{rule}"]
    written = icalendar.Calendar.from_ical(write_ics(made.payload))
    assert written.walk("VEVENT")[0]["RRULE"]["FREQ"] == [rule.split(";")[0][5:]]


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        ("FREQ=DAILY;INTERVAL=3", {"FREQ": ["DAILY"], "INTERVAL": [3]}),
        ("FREQ=MONTHLY;BYDAY=1MO", {"BYDAY": ["MO"], "BYSETPOS": [1]}),
        ("FREQ=MONTHLY;BYMONTHDAY=7", {"BYMONTHDAY": [7]}),
        ("FREQ=YEARLY", {"FREQ": ["YEARLY"], "INTERVAL": [1], "BYMONTH": [9]}),
        ("FREQ=WEEKLY;UNTIL=20261001T000000Z", {"UNTIL": [datetime(2026, 9, 28, 9, tzinfo=UTC)]}),
    ],
)
def test_a_rule_comes_back_as_it_was_meant(rule: str, written: dict[str, list[object]]):
    (payload,) = from_ics(event("DTSTART:20260907T090000Z", f"RRULE:{rule}"))
    again = icalendar.Calendar.from_ical(write_ics(payload)).walk("VEVENT")[0]["RRULE"]
    assert {key: list(again[key]) for key in written} == written


WEEKLY = Pattern(
    Frequency.WEEKLY,
    Shape.WEEK,
    1,
    date(2007, 3, 26),
    date(2007, 4, 20),
    End.COUNT,
    12,
    weekdays=0b110010,
)
MOVED = Change(
    datetime(2007, 4, 16, 10),
    datetime(2007, 4, 16, 11),
    datetime(2007, 4, 16, 11, 30),
    "Simple Recurrence with exceptions",
    "34/4141",
)
DAILY = Pattern(Frequency.DAILY, Shape.DAY, 3, date(2011, 4, 7), date(2011, 5, 4), End.DATE, 10)
PUBLISHED = {
    "MS-OXOCAL 4.1.1.1": (
        Recurrence(WEEKLY, 600, 630),
        "043004300B2001000000C0210000010000000000000032000000222000000C00000000000000"
        "00000000000000008020BC0C20ADBC0C06300000093000005802000076020000000000000000"
        "00000000",
    ),
    "MS-OXOCAL 4.1.1.2": (
        Recurrence(WEEKLY, 600, 630, changes=(MOVED,)),
        "043004300B2001000000C0210000010000000000000032000000222000000C00000000000000"
        "01000000A096BC0C01000000A096BC0C8020BC0C20ADBC0C0630000009300000580200007602"
        "000001003499BC0C5299BC0CF898BC0C11002200210053696D706C6520526563757272656E63"
        "65207769746820657863657074696F6E730800070033342F3431343100000000040000000000"
        "0000000000003499BC0C5299BC0CF898BC0C2100530069006D0070006C006500200052006500"
        "630075007200720065006E006300650020007700690074006800200065007800630065007000"
        "740069006F006E0073000700330034002F0034003100340031000000000000000000",
    ),
    "MS-OXOCAL 4.1.1.3": (
        Recurrence(DAILY, 480, 510, deleted=(date(2011, 4, 19), date(2011, 4, 22))),
        "043004300A2000000000A0050000E010000000000000212000000A0000000000000002000000"
        "A0C1DC0C80D2DC0C00000000207EDC0C0016DD0C0630000009300000E0010000FE0100000000"
        "0000000000000000",
    ),
}


@pytest.mark.parametrize("section", PUBLISHED)
def test_a_published_recurrence_is_read_and_written_byte_by_byte(section: str):
    series, text = PUBLISHED[section]
    assert decode_recurrence(bytes.fromhex(text)) == series
    assert encode_recurrence(series) == bytes.fromhex(text)


def test_the_published_time_zone_is_written_by_the_rule_it_has_since_2007():
    """The second rule of MS-OXOCAL 4.1.4; the first is of years before."""
    zone = zone_named("Pacific Standard Time", {})
    assert zone is not None
    raw = definition(offsets(zone, 2007), "Pacific Standard Time", 2007)
    assert raw.endswith(
        bytes.fromhex(
            "D7070000000000000000000000000000E001000000000000C4FFFFFF"
            "00000B0000000100020000000000000000000300000002000200000000000000"
        )
    )


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_damaged_recurrence_is_a_value_error_and_no_more(cut: int):
    (payload,) = from_ics(calendar(SERIES))
    raw = read_item(payload).named(names.APPOINTMENT_RECUR).value
    with pytest.raises(ValueError, match=r"recurrence|is not a valid"):
        decode_recurrence(raw[:cut])


def test_a_whole_day_is_whole_in_its_zone_and_written_as_a_day():
    text = "BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261025\nEND:VEVENT\n"
    (payload,) = from_ics(calendar(f"X-WR-TIMEZONE:Europe/Berlin\n{text}"))
    item = read_item(payload)
    assert item.named(names.ALL_DAY).value is True
    assert item.named(names.START_WHOLE).value == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert item.named(names.END_WHOLE).value == datetime(2026, 10, 25, 23, tzinfo=UTC)
    (written,) = icalendar.Calendar.from_ical(write_ics(payload)).walk("VEVENT")
    assert (written["DTSTART"].dt, written["DTEND"].dt) == (date(2026, 10, 25), date(2026, 10, 26))


def test_a_zone_that_only_the_file_knows_is_used():
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Ours\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
        "TZOFFSETFROM:{0}\nTZOFFSETTO:{0}\nEND:STANDARD\nEND:VTIMEZONE\n"
    )
    text = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Ours:20260301T120000\nEND:VEVENT\n"
    for offset, hour in (("+0500", 7), ("-0300", 15)):
        (payload,) = from_ics(calendar(zone.format(offset) + text))
        assert index_record(payload).start_at == datetime(2026, 3, 1, hour, tzinfo=UTC)


def test_a_task_and_a_journal_entry_have_their_own_class():
    made = from_ics(
        calendar(
            "BEGIN:VTODO\nUID:t\nSUMMARY:Report\nDUE:20260305T120000Z\nSTATUS:COMPLETED\n"
            "COMPLETED:20260304T120000Z\nEND:VTODO\n"
            "BEGIN:VJOURNAL\nUID:j\nSUMMARY:Call\nDTSTART:20260306T120000Z\nEND:VJOURNAL\n"
        )
    )
    records = [index_record(payload) for payload in made]
    assert [record.item_class for record in records] == ["IPM.Task", "IPM.Activity"]
    assert records[0].end_at == records[0].received_at == datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert dict(item_view(made[0]).facts)["Status"] == "Completed"
    task = icalendar.Calendar.from_ical(write_ics(made[0])).walk("VTODO")[0]
    assert (str(task["STATUS"]), str(task["UID"])) == ("COMPLETED", "t")


def test_a_file_inside_an_event_becomes_an_attachment():
    line = "ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;X-FILENAME=a.txt:aGVsbG8="
    (payload,) = from_ics(event("DTSTART:20260301T100000Z", line))
    assert index_record(payload).attachments == (("a.txt", 5),)
    assert attachment_content(payload, 0) == b"hello"


def test_a_mail_is_no_calendar_object():
    with pytest.raises(MailError, match="no calendar object"):
        write_ics(write_item(letter(), build=BUILD))
