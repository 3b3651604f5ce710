"""Delivery and read reports become report items, and report items reports."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

import pytest

from backups.streams import Item, Property, Recipient, from_mime, read_item, to_eml, write_item
from backups.streams.native import tags
from backups.streams.native.properties import INTEGER32, UNICODE

from .samples import BUILD


def report(status: str, kind: str = "delivery-status") -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\nTo: anna@acme.example\nSubject: Undeliverable: Plans\n"
        "Date: Fri, 4 Sep 2026 08:00:00 +0000\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\nIt did not work.\n"
        f"--b\nContent-Type: message/{kind}\n\n{status}\n"
        "--b\nContent-Type: message/rfc822\n\n"
        "From: anna@acme.example\nSubject: Plans\nMessage-ID: <plans@acme.example>\n"
        "Date: Fri, 4 Sep 2026 07:00:00 +0000\n\nHello\n--b--\n"
    ).encode()


FAILED = """\
Reporting-MTA: dns; mx.example
Arrival-Date: Fri, 4 Sep 2026 07:00:01 +0000

Final-Recipient: rfc822; ben@acme.example
Action: failed
Status: 5.1.1 (no such user)
Remote-MTA: dns; mx.acme.example
Diagnostic-Code: smtp; 550 5.1.1 no
 such user

Final-Recipient: rfc822; cleo@acme.example
Action: delayed
Status: 4.2.2
"""


def values(properties: list[Property]) -> dict[int, object]:
    return {p.id: p.value for p in properties if p.name is None}


def test_a_bounce_names_who_did_not_get_the_mail_and_why() -> None:
    item = read_item(from_mime(report(FAILED)))
    found = values(item.properties)
    people = [values(r.properties) for r in item.recipients]

    assert found[tags.MESSAGE_CLASS] == "REPORT.IPM.Note.NDR"
    assert found[tags.REPORTING_TRANSFER_AGENT] == "mx.example"
    assert found[tags.ORIGINAL_SUBJECT] == "Plans"
    assert found[tags.ORIGINAL_MESSAGE_ID] == "<plans@acme.example>"
    assert str(found[tags.BODY]).strip() == "It did not work."
    assert len(people) == 1
    assert people[0][tags.SMTP_ADDRESS] == "ben@acme.example"
    assert people[0][tags.STATUS_CODE] == 511
    assert people[0][tags.REMOTE_TRANSFER_AGENT] == "mx.acme.example"
    assert people[0][tags.REPORT_TEXT] == "550 5.1.1 no such user"
    assert people[0][tags.SUPPLEMENTARY_INFO] == ("<mx.acme.example #5.1.1 550 5.1.1 no such user>")


@pytest.mark.parametrize(
    ("action", "item_class"),
    [
        ("delivered", "REPORT.IPM.Note.DR"),
        ("expanded", "REPORT.IPM.Note.Expanded.DR"),
        ("relayed", "REPORT.IPM.Note.Relayed.DR"),
        ("delayed", "REPORT.IPM.Note.Delayed.DR"),
        ("Failed", "REPORT.IPM.Note.NDR"),
        ("failed (really)", "REPORT.IPM.Note.NDR"),
        ("shredded", "IPM.Note"),
    ],
)
def test_the_severest_action_decides_what_a_report_is(action: str, item_class: str) -> None:
    status = f"Reporting-MTA: dns;x\n\nFinal-Recipient: rfc822;b@x.example\nAction: {action}\n"

    item = read_item(from_mime(report(status)))

    assert values(item.properties)[tags.MESSAGE_CLASS] == item_class


@pytest.mark.parametrize(
    ("disposition", "item_class"),
    [
        ("manual-action/MDN-sent-manually; displayed", "REPORT.IPM.Note.IPNRN"),
        ("automatic-action/MDN-sent-automatically; deleted", "REPORT.IPM.Note.IPNNRN"),
        ("", "IPM.Note"),
    ],
)
def test_a_receipt_says_whether_the_mail_was_read(disposition: str, item_class: str) -> None:
    status = f"Original-Message-ID: <plans@acme.example>\nDisposition: {disposition}\n"

    item = read_item(from_mime(report(status, "disposition-notification")))

    assert values(item.properties)[tags.MESSAGE_CLASS] == item_class
    assert len(item.recipients) == 1


def test_a_report_is_written_with_the_parts_it_came_with() -> None:
    message = message_from_bytes(to_eml(from_mime(report(FAILED))))

    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    kinds = [part.get_content_type() for part in message.get_payload()]
    assert kinds == ["text/plain", "message/delivery-status", "message/rfc822"]
    assert groups(message)[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 no\n such user"


def test_a_report_of_a_server_is_written_from_its_recipients() -> None:
    person = Recipient(
        [
            Property.of(tags.RECIPIENT_TYPE, INTEGER32, 1),
            Property.of(tags.SMTP_ADDRESS, UNICODE, "ben@acme.example"),
            Property.of(tags.STATUS_CODE, INTEGER32, 422),
            Property.of(tags.REPORT_TEXT, UNICODE, "full\r\nBcc: mallory@evil.example"),
        ]
    )
    item = Item(
        [
            Property.of(tags.MESSAGE_CLASS, UNICODE, "REPORT.IPM.Note.NDR"),
            Property.of(tags.REPORTING_TRANSFER_AGENT, UNICODE, "mx.example"),
            Property.of(tags.BODY, UNICODE, "It did not work."),
        ],
        [person],
    )

    message = message_from_bytes(to_eml(write_item(item, build=BUILD)))

    first, second = groups(message)
    assert first["Reporting-MTA"] == "dns;mx.example"
    assert second["Final-Recipient"] == "rfc822;ben@acme.example"
    assert (second["Action"], second["Status"]) == ("failed", "4.2.2")
    assert second["Diagnostic-Code"] == "smtp;full Bcc: mallory@evil.example"
    assert second["Bcc"] is None


def groups(message: Message) -> list[Message]:
    """The groups of fields of the report's second part."""
    status = message.get_payload(1)
    assert isinstance(status, Message)
    found = status.get_payload()
    assert isinstance(found, list)
    return [group for group in found if isinstance(group, Message)]
