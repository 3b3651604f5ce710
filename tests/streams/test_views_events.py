"""What is shown of events and meetings. Recurrences are written out by MS-OXOCAL 2.2.1.44."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime

import pytest

from backups.streams import Attachment, Item, Kind, item_view, rows_of, write_item
from backups.streams.native import names, tags
from backups.streams.native.assembly import (
    Draft,
    integer,
    named,
    recipient,
    representing,
    text,
    time,
)
from backups.streams.native.properties import TIME, UNICODE
from backups.streams.views.details import (
    AttendeeView,
    EventView,
    ExceptionView,
    MeetingView,
    RecurrenceView,
    Step,
    TaskView,
    ZoneView,
)
from tests.streams.samples import BUILD

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
END = datetime(2026, 5, 4, 9, tzinfo=UTC)

# MS-OXOCAL 2.2.1.41: version 2.1, header, name, one rule in effect since 2007.
ZONE_NAME = "W. Europe Standard Time"
RULE = (
    struct.pack("<BBHHH14x3i", 2, 1, 0x3E, 3, 2007, -60, 0, -60)
    + struct.pack("<8H", 0, 10, 0, 5, 3, 0, 0, 0)
    + struct.pack("<8H", 0, 3, 0, 5, 2, 0, 0, 0)
)
ZONE = (
    struct.pack("<BBHHH", 2, 1, 6 + 2 * len(ZONE_NAME), 2, len(ZONE_NAME))
    + ZONE_NAME.encode("utf-16-le")
    + struct.pack("<H", 1)
    + RULE
)


def minutes(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    since = datetime(year, month, day, hour, minute) - datetime(1601, 1, 1)
    return int(since.total_seconds()) // 60


def weekly(changes: bytes, deleted: list[int], modified: list[int]) -> bytes:
    """Mondays, five times from 4 May 2026, 10:00 to 11:00; ``changes`` are counted in it."""
    pattern = struct.pack("<5H3I", 0x3004, 0x3004, 0x200B, 1, 0, 8640, 1, 0)
    pattern += struct.pack("<4I", 0x02, 0x2022, 5, 0)
    for days in (deleted, modified):
        pattern += struct.pack(f"<I{len(days)}I", len(days), *days)
    pattern += struct.pack("<II", minutes(2026, 5, 4), minutes(2026, 6, 1))
    return pattern + struct.pack("<4I", 0x3006, 0x3009, 600, 660) + changes


def event(item_class: str = "IPM.Appointment") -> Draft:
    made = Draft()
    made.add(text(tags.MESSAGE_CLASS, item_class), text(tags.SUBJECT, "Stand-up"))
    made.name_time(names.START_WHOLE, START)
    made.name_time(names.END_WHOLE, END)
    made.name_binary(names.ZONE_START, ZONE)
    return made


def shown(made: Draft) -> EventView:
    view = item_view(write_item(made.item(), build=BUILD))
    assert view.notes == ()
    detail = view.detail
    assert isinstance(detail, EventView)
    return detail


def test_an_event_shows_when_where_and_with_whom() -> None:
    made = event()
    made.add(*representing("Ann", "ann@a.example"))
    made.name_text(names.LOCATION, "Room 7")
    made.name_integer(names.BUSY_STATUS, 3)
    made.name_integer(names.RESPONSE_STATUS, 2)
    made.name_flag(names.REMINDER_SET, True)
    made.name_integer(names.REMINDER_DELTA, 90)
    made.name_text(names.MEETING_LINKS[0], "https://meet.example/1")
    made.name_text(names.MEETING_LINKS[1], "https://meet.example/1")
    made.recipients = [
        recipient(0, 1, "Ann", "ann@a.example", flags=3),
        recipient(1, 1, "Ben", "ben@a.example"),
        recipient(2, 2, "Cleo", "cleo@a.example"),
        recipient(3, 3, "Room 7", "room@a.example"),
    ]
    made.recipients[1].properties += [
        integer(tags.RECIPIENT_TRACK_STATUS, 3),
        time(tags.RECIPIENT_TRACK_STATUS_TIME, START),
    ]
    assert shown(made) == EventView(
        start=START,
        end=END,
        zone=ZoneView(
            ZONE_NAME,
            "UTC+01:00; UTC+02:00 from the last Sunday of March 02:00 "
            "to the last Sunday of October 03:00",
        ),
        location="Room 7",
        organizer=("Ann", "ann@a.example"),
        attendees=(
            AttendeeView("Ann", "ann@a.example", "organizer", ""),
            AttendeeView("Ben", "ben@a.example", "required", "accepted", START),
            AttendeeView("Cleo", "cleo@a.example", "optional", ""),
            AttendeeView("Room 7", "room@a.example", "resource", ""),
        ),
        my_response="tentative",
        busy="Out of office",
        reminder_minutes=90,
        links=(("Online meeting", "https://meet.example/1"),),
    )


def test_the_rows_of_an_event_hold_its_times_as_times() -> None:
    made = event()
    made.name_integer(names.STATE_FLAGS, 7)
    made.add(integer(tags.SENSITIVITY, 2))
    rows = dict(rows_of(shown(made)))
    assert (rows["Start"], rows["End"]) == (START, END)
    assert (rows["Cancelled"], rows["Private"]) == ("yes", "yes")


def test_whole_days_are_those_of_the_events_own_zone() -> None:
    made = event()
    made.named = [entry for entry in made.named if entry[1] != TIME]
    made.name_flag(names.ALL_DAY, True)
    made.name_time(names.START_WHOLE, datetime(2026, 5, 3, 22, tzinfo=UTC))
    made.name_time(names.END_WHOLE, datetime(2026, 5, 5, 22, tzinfo=UTC))
    detail = shown(made)
    assert (detail.first_day, detail.last_day) == (date(2026, 5, 4), date(2026, 5, 5))


def test_a_zone_that_nobody_knows_goes_by_its_rule() -> None:
    made = event()
    strange = ZONE.replace(ZONE_NAME.encode("utf-16-le"), ("X" * 23).encode("utf-16-le"))
    made.named[-1] = (names.ZONE_START, made.named[-1][1], strange)
    made.name_binary(names.APPOINTMENT_RECUR, weekly(b"\0\0" + bytes(8), [], []))
    assert shown(made).zone == ZoneView(
        "X" * 23,
        "UTC+01:00; UTC+02:00 from the last Sunday of March 02:00 "
        "to the last Sunday of October 03:00",
    )


def changed_weekly() -> bytes:
    times = struct.pack(
        "<3I", minutes(2026, 5, 12, 14), minutes(2026, 5, 12, 15, 30), minutes(2026, 5, 11, 10)
    )
    short = times + struct.pack("<H", 0x0211)  # subject, location, body
    short += struct.pack("<HH", 6, 5) + b"L?ter" + struct.pack("<HH", 5, 4) + b"Caf?"
    extended = struct.pack("<III", 4, 0, 0) + times
    extended += struct.pack("<H", 5) + "Läter".encode("utf-16-le")
    extended += struct.pack("<H", 4) + "Café".encode("utf-16-le") + struct.pack("<I", 0)
    changes = struct.pack("<H", 1) + short + struct.pack("<I", 0) + extended + bytes(4)
    deleted = [minutes(2026, 5, 11), minutes(2026, 5, 18)]
    return weekly(changes, deleted, [minutes(2026, 5, 12)])


def exception_message(original: datetime, body: str) -> Attachment:
    inner = Item(
        [
            text(tags.MESSAGE_CLASS, "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"),
            text(tags.HTML, body),
            *named([(names.EXCEPTION_REPLACE_TIME, TIME, original)]),
        ]
    )
    return Attachment([integer(tags.ATTACHMENT_FLAGS, tags.ATTACHMENT_IS_EXCEPTION)], inner)


def test_a_series_shows_its_pattern_changes_and_gaps() -> None:
    made = event()
    made.name_binary(names.APPOINTMENT_RECUR, changed_weekly())
    original = datetime(2026, 5, 11, 8, tzinfo=UTC)
    made.attachments.append(exception_message(original, "<p>Bring <b>cake</b></p>"))
    view = item_view(write_item(made.item(), build=BUILD))
    assert (view.notes, view.attachments) == ((), ())
    assert isinstance(view.detail, EventView)
    assert view.detail.recurrence == RecurrenceView(
        words="Every week on Monday, 5 times",
        first=date(2026, 5, 4),
        last=date(2026, 6, 1),
        exceptions=(
            ExceptionView(
                original=original,
                start=datetime(2026, 5, 12, 12, tzinfo=UTC),
                end=datetime(2026, 5, 12, 13, 30, tzinfo=UTC),
                subject="Läter",
                location="Café",
                text="Bring cake",
                changed=("time", "subject", "location", "text"),
            ),
        ),
        deleted=(date(2026, 5, 18),),
    )
    assert ("Left out", "2026-05-18") in view.facts
    changed = "2026-05-11 08:00 UTC: begins 2026-05-12 12:00 UTC, Läter, Café, text"
    assert ("Changed", changed) in view.facts


def pattern(frequency: int, shape: int, period: int, specific: bytes, end: int = 0x2023) -> bytes:
    head = struct.pack("<5H3I", 0x3004, 0x3004, frequency, shape, 0, 0, period, 0)
    tail = struct.pack("<3I", end, 0, 1) + bytes(8)
    last = 0x5AE980DF if end == 0x2023 else minutes(2026, 12, 31)
    return head + specific + tail + struct.pack("<II", minutes(2026, 5, 4), last)


U32 = struct.Struct("<I").pack
TWO_U32 = struct.Struct("<II").pack


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (pattern(0x200A, 0, 1440, b""), "Every day"),
        (pattern(0x200A, 0, 4320, b"", 0x2021), "Every 3 days, until 2026-12-31"),
        (pattern(0x200B, 1, 1, U32(0x3E)), "Every weekday"),
        (pattern(0x200B, 1, 2, U32(0x22)), "Every 2 weeks on Monday, Friday"),
        (pattern(0x200C, 2, 1, U32(5)), "Day 5 of every month"),
        (pattern(0x200C, 2, 3, U32(31)), "The last day of every 3 months"),
        (pattern(0x200C, 3, 1, TWO_U32(0x3E, 5)), "The last weekday of every month"),
        (pattern(0x200C, 3, 2, TWO_U32(0x04, 2)), "The second Tuesday of every 2 months"),
        (pattern(0x200D, 2, 12, U32(4)), "Day 4 of May every year"),
        (pattern(0x200D, 3, 24, TWO_U32(0x41, 1)), "The first weekend day of May every 2 years"),
    ],
)
def test_a_pattern_is_said_in_words(raw: bytes, words: str) -> None:
    made = Draft()
    made.add(text(tags.MESSAGE_CLASS, "IPM.Task"))
    made.name_binary(names.TASK_RECURRENCE, raw)
    view = item_view(write_item(made.item(), build=BUILD))
    assert isinstance(view.detail, TaskView)
    assert view.detail.recurrence is not None, view.notes
    assert view.detail.recurrence.words == words


@pytest.mark.parametrize("size", [0, 1, 20, 60])
def test_a_recurrence_that_ends_early_leaves_a_note_and_the_rest(size: int) -> None:
    made = event()
    made.name_binary(names.APPOINTMENT_RECUR, changed_weekly()[:size])
    view = item_view(write_item(made.item(), build=BUILD))
    assert isinstance(view.detail, EventView)
    assert (view.detail.start, view.detail.recurrence) == (START, None)
    assert bool(view.notes) is bool(size)


def test_a_request_shows_the_event_and_whether_it_is_an_update() -> None:
    made = event("IPM.Schedule.Meeting.Request")
    made.name_integer(names.MEETING_TYPE, 0x10000)
    made.name_text(names.WHERE, "Room 7")
    view = item_view(write_item(made.item(), build=BUILD))
    assert view.kind is Kind.MEETING
    assert isinstance(view.detail, MeetingView)
    assert (view.detail.step, view.detail.is_update) == (Step.REQUEST, True)
    assert (view.detail.event.start, view.detail.event.location) == (START, "Room 7")
    assert view.facts[0] == ("Meeting", "request, an update")


@pytest.mark.parametrize(
    ("ending", "step"),
    [
        ("Canceled", Step.CANCELLATION),
        ("Resp.Pos", Step.ACCEPTED),
        ("Resp.Tent", Step.TENTATIVE),
        ("Resp.Neg", Step.DECLINED),
        ("Notification.Forward", Step.FORWARDED),
    ],
)
def test_a_meeting_message_says_what_it_does(ending: str, step: Step) -> None:
    view = item_view(write_item(event(f"IPM.Schedule.Meeting.{ending}").item(), build=BUILD))
    assert isinstance(view.detail, MeetingView)
    assert view.detail.step is step


def test_an_answer_shows_the_time_that_it_proposes() -> None:
    made = event("IPM.Schedule.Meeting.Resp.Tent")
    made.add(*representing("Ben", "ben@a.example"))
    made.name_flag(names.COUNTER_PROPOSAL, True)
    made.name_time(names.PROPOSED_START, END)
    made.name_time(names.PROPOSED_END, END.replace(hour=10))
    view = item_view(write_item(made.item(), build=BUILD))
    assert isinstance(view.detail, MeetingView)
    assert view.detail.proposed == (END, END.replace(hour=10))
    assert view.detail.event.organizer == ("", "")


def test_an_event_of_the_wrong_types_shows_what_is_left() -> None:
    made = Draft()
    made.add(text(tags.MESSAGE_CLASS, "IPM.Appointment"))
    made.named += [
        (name, UNICODE, "nonsense")
        for name in (
            *(names.START_WHOLE, names.ALL_DAY, names.ZONE_START, names.APPOINTMENT_RECUR),
            *(names.BUSY_STATUS, names.REMINDER_SET, names.STATE_FLAGS, names.LOCATION),
        )
    ]
    assert shown(made) == EventView(location="nonsense")
