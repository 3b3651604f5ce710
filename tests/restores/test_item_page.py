"""The page of an item shows what its kind has to say."""

from __future__ import annotations

import pytest

from backups.streams import write_item
from backups.streams.native import names, tags
from backups.streams.native.assembly import (
    Draft,
    binary,
    file_attachment,
    integer,
    recipient,
    text,
)
from backups.streams.native.properties import BINARY, MULTIPLE
from sandbox.items import from_stream
from tenants.models import Tenant
from tests.restores.conftest import Visit
from tests.streams.samples import BUILD
from tests.streams.test_protected_views import signed_message
from tests.streams.test_views import MEMBERS, compressed, draft
from tests.streams.test_views_events import START, changed_weekly, event, exception_message

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

MARA = "mara@acme.example"


def page(visit: Visit, made: Draft, subject: str, folder: str = "inbox") -> str:
    """The page of an item after a backup; texts without the markup's line breaks."""
    sandbox = visit.world.sandbox.store
    mailbox = sandbox.user(MARA).mailbox
    assert mailbox is not None
    payload = write_item(made.item(), build=BUILD)
    sandbox.add_item(mailbox, sandbox.folder(mailbox, folder).id, from_stream(payload))
    visit.world.run_job()
    return visit.client.get(visit.path(visit.item(subject))).content.decode()


def test_an_event_shows_attendees_recurrence_and_changed_occurrences(visit: Visit) -> None:
    made = event()
    made.name_binary(names.APPOINTMENT_RECUR, changed_weekly())
    made.attachments.append(exception_message(START.replace(day=11), "<p>Bring <b>cake</b></p>"))
    made.recipients = [
        recipient(0, 1, "Ann", "ann@a.example", flags=3),
        recipient(1, 2, "Ben", "ben@a.example"),
    ]
    made.recipients[1].properties.append(integer(tags.RECIPIENT_TRACK_STATUS, 4))
    owned = Tenant.objects.using("owner").filter(pk=visit.world.id)
    assert owned.update(time_zone="Asia/Tokyo") == 1
    shown = page(visit, made, "Stand-up", "calendar")
    assert "Every week on Monday, 5 times" in shown
    assert "<td>optional</td><td>declined</td>" in shown
    assert "Läter" in shown
    assert "Café" in shown
    assert "Bring cake" in shown
    assert "W. Europe Standard Time: UTC+01:00" in shown
    assert '<time datetime="2026-05-04T17:00:00+09:00"' in shown


def test_the_members_of_a_list_are_named(visit: Visit) -> None:
    made = draft("IPM.DistList", "Friends")
    ids = [entry_id for entry_id, _ in MEMBERS[:1]]
    made.named.append((names.DISTRIBUTION_LIST_MEMBERS, MULTIPLE | BINARY, ids))
    assert '<td class="text-break">ann@a.example</td>' in page(visit, made, "Friends", "contacts")


def test_a_bounce_says_for_whom_and_why(visit: Visit) -> None:
    made = draft("REPORT.IPM.Note.NDR", "Undeliverable")
    made.add(text(tags.ORIGINAL_SUBJECT, "figures"))
    made.recipients.append(recipient(0, 1, "Zed", "zed@e.example"))
    made.recipients[0].properties.append(text(tags.SUPPLEMENTARY_INFO, "550 5.1.1 <unknown>"))
    shown = page(visit, made, "Undeliverable")
    assert "A message was not delivered." in shown
    assert "<td>5.1.1</td>" in shown
    assert "550 5.1.1 &lt;unknown&gt;" in shown


def test_a_signed_message_is_never_called_verified(visit: Visit) -> None:
    made = draft("IPM.Note.SMIME", "Signed")
    raw = signed_message(inside=True)
    made.attachments.append(file_attachment(0, "smime.p7m", "application/pkcs7-mime", raw))
    shown = page(visit, made, "Signed")
    assert "Signed with S/MIME by Noor &lt;noor@acme.example&gt;" in shown
    assert "The signature has not been verified here." in shown
    assert "Hello ü" in shown


def test_a_rights_protected_message_says_why_there_is_no_text(visit: Visit) -> None:
    made = draft("IPM.Note", "Secret")
    kind = "application/x-microsoft-rpmsg-message"
    made.attachments.append(file_attachment(0, "message.rpmsg", kind, b"x"))
    assert "<strong>Rights-protected.</strong>" in page(visit, made, "Secret")


def test_anything_else_is_a_table_of_its_properties(visit: Visit) -> None:
    made = draft("IPM.Workflow", "Step <1>")
    made.name_text(names.LOCATION, "<here>")
    shown = page(visit, made, "Step <1>")
    assert "PidLidLocation" in shown
    assert "&lt;here&gt;" in shown
    assert "<here>" not in shown


def test_a_body_that_is_only_in_rtf_is_shown_with_its_pictures(visit: Visit) -> None:
    made = draft("IPM.Note", "Picture")
    rtf = rb'{\rtf1\fromhtml1 {\*\htmltag84 <img src="cid:logo@x">}{\*\htmltag84 <a href="x">}Hi}'
    made.add(binary(tags.RTF_COMPRESSED, compressed(rtf)))
    logo = file_attachment(0, "logo.png", "image/png", b"PNG")
    logo.properties.append(text(tags.ATTACH_CONTENT_ID, "logo@x"))
    made.attachments.append(logo)
    assert "<iframe" in page(visit, made, "Picture")
    path = visit.path(visit.item("Picture"))
    body = visit.client.get(f"{path}body/").content.decode()
    assert body.startswith('<img src="data:image/png;base64,UE5H"><x-a href="x">Hi')
