"""What is shown of each kind of item; the items are assembled property by property."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from backups.streams import Attachment, Item, Kind, Origin, inline_numbers, item_view, write_item
from backups.streams.native import names, tags
from backups.streams.native.assembly import (
    Draft,
    binary,
    file_attachment,
    flag,
    integer,
    recipient,
    text,
    time,
)
from backups.streams.native.properties import (
    BINARY,
    FLOATING64,
    MULTIPLE,
    STRING,
    Property,
    PropertyName,
)
from backups.streams.views.details import (
    ContactView,
    DistributionListView,
    JournalView,
    MemberView,
    NoteView,
    Outcome,
    PropertiesView,
    ReportView,
    TaskView,
)
from backups.streams.views.property_names import name_of
from tests.streams.samples import BUILD
from tests.streams.test_rtf import SIMPLE

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def draft(item_class: str, subject: str = "") -> Draft:
    made = Draft()
    made.add(text(tags.MESSAGE_CLASS, item_class))
    made.add_text(tags.SUBJECT, subject)
    return made


def payload(made: Draft) -> bytes:
    return write_item(made.item(), build=BUILD)


def compressed(rtf: bytes) -> bytes:
    """An RTF body that is not compressed, which MS-OXRTFCP allows."""
    return struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf


@pytest.mark.parametrize(
    ("item_class", "kind"),
    [
        ("IPM.Note", Kind.MESSAGE),
        ("ipm.note.rules.ooftemplate.microsoft", Kind.MESSAGE),
        ("IPM.Post", Kind.MESSAGE),
        ("IPM.Note.SMIME.MultipartSigned", Kind.SMIME),
        ("IPM.Note.SMIME", Kind.SMIME),
        ("IPM.Schedule.Meeting.Resp.Pos", Kind.MEETING),
        ("IPM.Appointment.Custom", Kind.EVENT),
        ("IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}", Kind.EVENT),
        ("IPM.Contact", Kind.CONTACT),
        ("IPM.DistList", Kind.DISTRIBUTION_LIST),
        ("IPM.TaskRequest.Accept", Kind.TASK),
        ("IPM.StickyNote", Kind.NOTE),
        ("IPM.Activity", Kind.JOURNAL),
        ("REPORT.IPM.Note.NDR", Kind.REPORT),
        ("IPM.Notebook", Kind.OTHER),
        ("IPM.Configuration.Calendar", Kind.OTHER),
        ("", Kind.MESSAGE),
    ],
)
def test_a_kind_follows_from_the_class(item_class: str, kind: Kind) -> None:
    assert item_view(payload(draft(item_class))).kind is kind


def test_html_is_shown_before_anything_else() -> None:
    made = draft("IPM.Note")
    made.add(text(tags.BODY, "plain"), binary(tags.RTF_COMPRESSED, SIMPLE))
    made.add_html("<p>html</p>")
    view = item_view(payload(made))
    assert (view.html, view.text, view.body.origin) == ("<p>html</p>", "plain", Origin.HTML)


@pytest.mark.parametrize(
    ("rtf", "plain", "native", "origin", "html", "shown"),
    [
        (rb"{\rtf1\fromhtml1 {\*\htmltag64 <p>}x}", "y", 3, Origin.RTF_HTML, "<p>x", "y"),
        (rb"{\rtf1\fromhtml1 {\*\htmltag64 <p>}x}", "y", 1, Origin.PLAIN, "", "y"),
        (rb"{\rtf1\fromtext x}", "", 0, Origin.RTF_TEXT, "", "x"),
        (rb"{\rtf1 {\b x}}", "", 2, Origin.RTF, "", "x"),
        (rb"{\rtf1 {\b x}}", "y", 2, Origin.PLAIN, "", "y"),
        (rb"{\rtf1\fromhtml1 }", "", 3, Origin.NONE, "", ""),
    ],
)
def test_a_body_says_where_it_came_from(
    rtf: bytes, plain: str, native: int, origin: Origin, html: str, shown: str
) -> None:
    made = draft("IPM.Note")
    made.add_text(tags.BODY, plain)
    made.add(binary(tags.RTF_COMPRESSED, compressed(rtf)), integer(tags.NATIVE_BODY, native))
    view = item_view(payload(made))
    assert (view.body.origin, view.html, view.text) == (origin, html, shown)


def test_a_body_of_an_unknown_code_page_is_read_and_noted() -> None:
    made = draft("IPM.Note")
    made.add(binary(tags.HTML, b"caf\xc3\xa9"), integer(tags.INTERNET_CODEPAGE, 31999))
    view = item_view(payload(made))
    assert view.html == "café"
    assert view.notes == ("HTML body: unknown code page 31999",)


def test_pictures_are_found_by_content_id_and_by_location() -> None:
    made = draft("IPM.Note")
    made.add_html(
        "<img src=\"cid:Logo%40one\"><img src='http://e.example/a.png'>"
        '<td background="cid:none"><a href="http://e.example/b.png">'
    )
    places = (
        (tags.ATTACH_CONTENT_ID, "<logo@ONE>"),
        (tags.ATTACH_CONTENT_LOCATION, "http://e.example/a.png"),
        (tags.ATTACH_CONTENT_LOCATION, "http://e.example/b.png"),
        (tags.ATTACH_CONTENT_ID, "unused"),
    )
    for number, (tag, value) in enumerate(places):
        file = file_attachment(number, f"{number}.png", "image/png", b"PNG")
        file.properties.append(text(tag, value))
        made.attachments.append(file)
    view = item_view(payload(made))
    assert inline_numbers(view.html, view.attachments) == {
        "cid:Logo%40one": 0,
        "http://e.example/a.png": 1,
    }
    assert [file.inline for file in view.attachments] == [True, True, False, False]


def test_a_contact_shows_its_numbers_addresses_people_and_photo() -> None:
    made = draft("IPM.Contact")
    made.add(
        text(tags.DISPLAY_NAME, "Zoë M"),
        text(tags.GIVEN_NAME, "Zoë"),
        text(tags.COMPANY_NAME, "Acme"),
        text(tags.ASSISTANT_TELEPHONE, "1"),
        text(tags.TELEX, "2"),
        text(tags.MANAGER_NAME, "Ben"),
        text(tags.HOME_CITY, "Milano"),
        text(tags.HOME_COUNTRY, "Italy"),
        Property.of(tags.CHILDRENS_NAMES, MULTIPLE | STRING, ["Ida", "Leo"]),
        # Midnight in Berlin, a day before it in UTC.
        time(tags.BIRTHDAY, datetime(1984, 2, 28, 23, tzinfo=UTC)),
        Property.of(tags.GENDER, 0x0002, 1),
    )
    made.name_text(names.email(0, 0), "Zoë (work)")
    made.name_text(names.email(0, 3), "zoe@acme.example")
    made.name_text(names.email(1, 2), "EX")
    made.name_text(names.email(1, 3), "/o=Acme/cn=zoe")
    made.name_text(names.email(1, 4), "z@acme.example")
    made.name_text(names.USER_FIELDS[1], "blue team")
    made.name_text(names.INSTANT_MESSAGING, "sip:zoe")
    photo = file_attachment(1, "ContactPicture.jpg", "image/jpeg", b"JPG")
    photo.properties.append(flag(tags.ATTACHMENT_CONTACT_PHOTO, True))
    made.attachments += [file_attachment(0, "a.txt", "text/plain", b"a"), photo]
    view = item_view(payload(made))
    assert view.detail == ContactView(
        name="Zoë M",
        names=(("First name", "Zoë"),),
        work=(("Company", "Acme"),),
        emails=(("Zoë (work)", "zoe@acme.example"), ("", "z@acme.example")),
        phones=(("Assistant's phone", "1"), ("Telex", "2")),
        addresses=(("Home address", "Milano\r\nItaly"),),
        web=(("Instant messaging", "sip:zoe"),),
        people=(("Manager", "Ben"), ("Children", "Ida, Leo")),
        other=(("Gender", "female"), ("User field 2", "blue team")),
        birthday=date(1984, 2, 29),
        photo=1,
    )
    assert ("Birthday", "1984-02-29") in view.facts


def one_off(name: str, address: str) -> bytes:
    """MS-OXCDATA 2.2.5.1: flags, provider, version 0, MAPI_ONE_OFF_UNICODE…, three strings."""
    strings = f"{name}\0SMTP\0{address}\0".encode("utf-16-le")
    return bytes.fromhex("00000000812b1fa4bea310199d6e00dd010f540200000190") + strings


def wrapped(kind: int, entry_id: bytes) -> bytes:
    """MS-OXOCNTC 2.2.2.2.4.1.1."""
    return bytes.fromhex("00000000c091add3519dcf11a4a900aa0047faa4") + bytes([kind]) + entry_id


DIRECTORY = bytes.fromhex("00000000dca740c8c042101ab4b908002b2fe1820100000000000000")
MEMBERS = (
    (one_off("Ann", "ann@a.example"), one_off("Ann", "ann@a.example")),
    (wrapped(0xC3, bytes(70)), one_off("Ben", "ben@b.example")),
    (wrapped(0xB5, DIRECTORY + b"/o=Acme/cn=cleo\0"), b""),
    (wrapped(0xB4, bytes(70)), one_off("Team", "Unknown")),
    (b"\0" * 30, b""),
)
SHOWN = (
    MemberView("Ann", "ann@a.example", "address"),
    MemberView("Ben", "ben@b.example", "contact"),
    MemberView("", "/o=Acme/cn=cleo", "user"),
    MemberView("Team", "Unknown", "list"),
)


def test_a_distribution_list_shows_members_of_every_kind() -> None:
    made = draft("IPM.DistList")
    made.add(text(tags.DISPLAY_NAME, "Friends"))
    for place, name in enumerate(
        (names.DISTRIBUTION_LIST_MEMBERS, names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS)
    ):
        made.named.append((name, MULTIPLE | BINARY, [pair[place] for pair in MEMBERS]))
    view = item_view(payload(made))
    assert view.detail == DistributionListView("Friends", SHOWN)
    assert view.notes == ("1 members of the list can't be read",)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_large_list_is_read_out_of_its_stream(cut: int) -> None:
    parts = [part for pair in MEMBERS for part in (*pair, b"")]
    entries = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    stream = struct.pack("<HHIIIIII", 1, 0, 0, 0, len(MEMBERS), 0, 0, 0) + entries
    made = draft("IPM.DistList")
    made.name_text(names.DISTRIBUTION_LIST_NAME, "Many")
    made.name_binary(names.DISTRIBUTION_LIST_STREAM, stream[: len(stream) - cut])
    made.named.append((names.DISTRIBUTION_LIST_MEMBERS, MULTIPLE | BINARY, [b"stale"]))
    view = item_view(payload(made))
    assert view.detail == DistributionListView("Many", SHOWN)
    assert ("list of members: it ends early" in view.notes) is bool(cut)


def test_a_task_shows_how_far_it_is() -> None:
    made = draft("IPM.Task", "Budget")
    made.name_integer(names.TASK_STATUS, 3)
    made.named.append((names.PERCENT_COMPLETE, FLOATING64, 0.25))
    made.name_time(names.TASK_START, datetime(2026, 5, 4, tzinfo=UTC))
    made.name_time(names.TASK_DUE, datetime(2026, 5, 8, tzinfo=UTC))
    made.name_text(names.TASK_OWNER, "Noor")
    made.name_integer(names.TASK_ACCEPTANCE_STATE, 2)
    made.name_integer(names.TASK_ESTIMATED_EFFORT, 150)
    made.name_flag(names.REMINDER_SET, True)
    made.name_time(names.REMINDER_TIME, NOON)
    made.name_texts(names.COMPANIES, ["Acme", "Globex"])
    view = item_view(payload(made))
    assert view.detail == TaskView(
        status="Waiting on others",
        percent=25,
        start=date(2026, 5, 4),
        due=date(2026, 5, 8),
        owner="Noor",
        assignment="assigned, accepted",
        estimated=150,
        reminder=NOON,
        other=(("Companies", "Acme, Globex"),),
    )
    assert ("Estimated work", "2 h 30 min") in view.facts


def test_a_tasks_number_that_means_nothing_is_left_out() -> None:
    made = draft("IPM.Task")
    made.name_integer(names.TASK_STATUS, -1)
    made.named.append((names.PERCENT_COMPLETE, FLOATING64, float("nan")))
    made.name_text(names.TASK_DUE, "tomorrow")
    assert item_view(payload(made)).detail == TaskView()


def test_notes_and_journal_entries_show_their_few_facts() -> None:
    made = draft("IPM.StickyNote")
    made.name_integer(names.NOTE_COLOR, 3)
    assert item_view(payload(made)).detail == NoteView("yellow")
    made = draft("IPM.Activity")
    made.name_text(names.LOG_TYPE, "Phone call")
    made.name_time(names.LOG_START, NOON)
    made.name_integer(names.LOG_DURATION, 61)
    assert item_view(payload(made)).detail == JournalView("Phone call", NOON, None, 61)


def test_a_bounce_names_who_did_not_get_what_and_why() -> None:
    made = draft("REPORT.IPM.Note.NDR", "Undeliverable: figures")
    made.add(
        text(tags.ORIGINAL_SUBJECT, "figures"),
        text(tags.ORIGINAL_MESSAGE_ID, "<1@acme.example>"),
        time(tags.REPORT_TIME, NOON),
        text(tags.REPORTING_TRANSFER_AGENT, "mx.acme.example"),
    )
    for row, (said, code) in enumerate((("550 #5.1.10 no such user", 510), ("", 422), ("", 7))):
        person = recipient(row, 1, f"P{row}", f"p{row}@e.example")
        person.properties += [integer(tags.STATUS_CODE, code), integer(tags.REASON_CODE, row)]
        person.properties.append(text(tags.SUPPLEMENTARY_INFO, said))
        made.recipients.append(person)
    detail = item_view(payload(made)).detail
    assert isinstance(detail, ReportView)
    assert (detail.outcome, detail.subject) == (Outcome.NOT_DELIVERED, "figures")
    assert detail.reported_at == NOON
    assert [(one.address, one.status, one.reason) for one in detail.recipients] == [
        ("p0@e.example", "5.1.10", "The transfer failed"),
        ("p1@e.example", "4.2.2", "The transfer was impossible"),
        ("p2@e.example", "", "A conversion was not performed"),
    ]
    assert detail.recipients[0].diagnostic == "550 #5.1.10 no such user"
    assert detail.recipients[0].server == "mx.acme.example"


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [("DR", Outcome.DELIVERED), ("IPNRN", Outcome.READ), ("IPNNRN", Outcome.NOT_READ)],
)
def test_a_report_says_what_became_of_a_message(ending: str, outcome: Outcome) -> None:
    detail = item_view(payload(draft(f"REPORT.IPM.Note.{ending}"))).detail
    assert detail == ReportView(outcome)


def test_anything_else_is_its_properties() -> None:
    made = draft("IPM.Workflow", "Step")
    made.add(binary(tags.ENTRY_ID, bytes(range(40))), flag(tags.READ_RECEIPT_REQUESTED, True))
    made.add(time(tags.REPORT_TIME, NOON), text(tags.BODY, "x" * 500))
    made.name_text(names.LOCATION, "here")
    made.name_texts(PropertyName(tags.PS_PUBLIC_STRINGS, name="Own"), ["a", "b"])
    detail = item_view(payload(made)).detail
    assert isinstance(detail, PropertiesView)
    shown = {one.name: (one.type, one.value) for one in detail.properties}
    assert shown == {
        "PidTagMessageClass": ("text", "IPM.Workflow"),
        "PidTagReadReceiptRequested": ("yes or no", "yes"),
        "PidTagReportTime": ("time", "2026-05-04 12:00:00 UTC"),
        "PidTagSubject": ("text", "Step"),
        "PidTagEntryId": ("bytes", "40 bytes: " + bytes(range(32)).hex() + " …"),
        "PidTagBody": ("text", "x" * 199 + "…"),
        "PidLidLocation": ("text", "here"),
        "{00020329-0000-0000-c000-000000000046}/Own": ("texts", "a, b"),
    }


def test_more_properties_than_a_person_reads_are_counted() -> None:
    item = Item([Property.of(0x6000 + number, 3, number) for number in range(600)])
    item.properties.insert(0, text(tags.MESSAGE_CLASS, "IPM.Many"))
    detail = item_view(write_item(item, build=BUILD)).detail
    assert isinstance(detail, PropertiesView)
    assert (len(detail.properties), detail.left_out) == (500, 101)


def test_properties_are_named_as_in_the_specification() -> None:
    assert name_of(0x0037001F) == "PidTagSubject"
    assert name_of(0x37010102) == "PidTagAttachDataBinary"
    assert name_of(0x7777001F) == "0x7777"
    assert name_of(0x8001001F, names.LOCATION) == "PidLidLocation"
    assert name_of(0x8001001F, names.CONTENT_CLASS) == "PidNameContentClass"
    unknown = PropertyName(names.PSETID_TASK, lid=0x8FFF)
    assert name_of(0x80010003, unknown) == "{00062003-0000-0000-c000-000000000046}/0x8FFF"


def test_every_property_that_we_read_by_name_is_in_the_list() -> None:
    ours = [value for value in vars(names).values() if isinstance(value, PropertyName)]
    unnamed = [name for name in ours if name_of(0x80010003, name).startswith("{")]
    assert unnamed == [names.MILEAGE, names.KEPT_LINES]


def test_an_attached_item_is_counted_with_the_size_it_has() -> None:
    inner = Item([text(tags.SUBJECT, "inner")])
    made = draft("IPM.Note")
    made.attachments.append(Attachment([integer(tags.ATTACH_NUMBER, 0)], inner))
    (file,) = item_view(payload(made)).attachments
    assert (file.embedded, file.size) == (True, 20)


def test_the_list_of_names_has_one_name_for_each_key() -> None:
    table = Path(name_of.__code__.co_filename).with_suffix(".tsv").read_text()
    keys = [line.rpartition("\t")[0].casefold() for line in table.splitlines()]
    assert len(keys) == len(set(keys)) > 1_200
