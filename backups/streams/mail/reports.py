"""Delivery and read reports: message/delivery-status and message/disposition-notification.

RFC 3464 and RFC 8098; as items MS-OXCMAIL 2.2.3.7 (reading), 2.1.3.6 (writing), MS-OXOMSG 2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from backups.streams.mail.headers import Headers, parse_date
from backups.streams.mail.letter import File, Letter
from backups.streams.native import tags
from backups.streams.native.assembly import integer, recipient, text, time
from backups.streams.native.charsets import decode_text
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, address_of
from backups.streams.native.item import Recipient
from backups.streams.native.properties import Property
from backups.streams.native.tokens import Node, Owner

DELIVERY_STATUS: Final = "message/delivery-status"
DISPOSITION: Final = "message/disposition-notification"
ORIGINAL_HEADERS: Final = frozenset({"text/rfc822-headers", "message/global-headers"})
STATUS_TYPES: Final = {
    DELIVERY_STATUS: DELIVERY_STATUS,
    "message/global-delivery-status": DELIVERY_STATUS,
    DISPOSITION: DISPOSITION,
    "message/global-disposition-notification": DISPOSITION,
}
"""Types of the machine-readable part, those of RFC 6533 too, and what each says."""

READ_CLASS: Final = "REPORT.IPM.Note.IPNRN"
UNREAD_CLASS: Final = "REPORT.IPM.Note.IPNNRN"

MAX_RECIPIENTS: Final = 10_000
"""Recipients that are read from one report; the rest stays in its text."""

_SUFFIXES: Final = (
    ("delivered", "DR"),
    ("expanded", "Expanded.DR"),
    ("relayed", "Relayed.DR"),
    ("delayed", "Delayed.DR"),
    ("failed", "NDR"),
)
"""Actions by growing severity, and what they put behind ``REPORT.IPM.Note.``"""

_SEVERITY: Final = {action: place for place, (action, _) in enumerate(_SUFFIXES)}
_FIELD = re.compile(r"^([!-9;-~]+)[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
_EMPTY_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_TYPED = re.compile(r"\s*[\w.+-]+\s*;\s*")


@dataclass(slots=True)
class Report:
    item_class: str
    properties: list[Property] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)


def read_report(file: File, letter: Letter) -> Report | None:
    """What the machine-readable part of a report says; None when it names nobody."""
    groups = _groups(file.content)
    if STATUS_TYPES.get(file.mime_type) == DISPOSITION:
        report = _read_disposition(groups[0]) if groups else None
    else:
        report = _read_delivery(groups, letter)
    if report is not None:
        report.properties += _original(letter)
        date = letter.headers.date("date")
        if date is not None:
            report.properties.append(time(tags.REPORT_TIME, date))
    return report


def _groups(raw: bytes) -> list[Headers]:
    """The groups of fields that empty lines part: the message's, then each recipient's."""
    whole = decode_text(raw).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    groups = _EMPTY_LINES.split(whole, maxsplit=MAX_RECIPIENTS)
    return [Headers((m[1], m[2]) for m in _FIELD.finditer(group)) for group in groups]


def _read_delivery(groups: list[Headers], letter: Letter) -> Report | None:
    people = [group for group in groups if group.raw("final-recipient") or group.raw("action")]
    severest = max((_severity(group) for group in people), default=-1)
    if severest < 0:
        return None
    report = Report(f"REPORT.IPM.Note.{_SUFFIXES[severest][1]}")
    for group in people:
        if _severity(group) == severest:
            report.recipients.append(_recipient(len(report.recipients), group))
    agent = _untyped(groups[0].text("reporting-mta"))
    if agent:
        report.properties.append(text(tags.REPORTING_TRANSFER_AGENT, agent))
    if letter.text is not None:
        said = decode_text(letter.text.raw, letter.text.charset)
        report.properties.append(text(tags.REPORT_TEXT, said))
    return report


def _recipient(row: int, group: Headers) -> Recipient:
    address = _address(group.text("final-recipient") or group.text("original-recipient"))
    name = group.text("x-display-name") or address
    found = recipient(row, tags.RECIPIENT_TO, name, address)
    agent = _untyped(group.text("remote-mta"))
    status = _STATUS.search(group.text("status"))
    diagnostic = _untyped(group.text("diagnostic-code"))
    if agent:
        found.properties.append(text(tags.REMOTE_TRANSFER_AGENT, agent))
    if status is not None:
        found.properties.append(integer(tags.STATUS_CODE, int("".join(status.groups()))))
    said = group.text("x-supplementary-info")
    if not said and status is not None:
        words = (agent, f"#{status[0]}", diagnostic)
        said = f"<{' '.join(word for word in words if word)}>"
    if said:
        found.properties.append(text(tags.SUPPLEMENTARY_INFO, said))
    if diagnostic:
        found.properties.append(text(tags.REPORT_TEXT, diagnostic))
    date = parse_date(group.raw("last-attempt-date")) or parse_date(group.raw("arrival-date"))
    if date is not None:
        found.properties.append(time(tags.REPORT_TIME, date))
    return found


def _read_disposition(group: Headers) -> Report | None:
    mode, _, kind = group.text("disposition").partition(";")
    if not kind.strip():
        return None
    displayed = kind.strip().lower().startswith("displayed")
    report = Report(READ_CLASS if displayed else UNREAD_CLASS)
    report.properties += [
        text(tags.REPORT_DISPOSITION, kind.strip()),
        text(tags.REPORT_DISPOSITION_MODE, mode.strip()),
    ]
    identity = group.text("original-message-id")
    if identity:
        report.properties.append(text(tags.ORIGINAL_MESSAGE_ID, identity))
    return report


def _original(letter: Letter) -> Iterator[Property]:
    """What the returned mail, or its header, says of the mail that is reported on."""
    for file in letter.files:
        if file.embedded is not None:
            headers = file.embedded.headers
        elif file.mime_type in ORIGINAL_HEADERS:
            headers = next(iter(_groups(file.content)), Headers(()))
        else:
            continue
        for name, number in (
            ("subject", tags.ORIGINAL_SUBJECT),
            ("message-id", tags.ORIGINAL_MESSAGE_ID),
        ):
            if headers.text(name):
                yield text(number, headers.text(name))
        date = headers.date("date")
        if date is not None:
            yield time(tags.ORIGINAL_SUBMIT_TIME, date)
        return


def report_type(item_class: str) -> str:
    """The type of the machine-readable part that an item of the class has; empty for none."""
    kind = item_class.upper()
    if not kind.startswith("REPORT."):
        return ""
    return DISPOSITION if kind.endswith((".IPNRN", ".IPNNRN")) else DELIVERY_STATUS


def write_report(node: Node, content: Content) -> bytes:
    """The machine-readable part of the report at ``node``, from its properties alone."""
    fields = Fields(node, content, [])
    item_class = fields.text(tags.MESSAGE_CLASS)
    if report_type(item_class) == DISPOSITION:
        lines = list(_disposition_lines(fields, item_class))
    else:
        lines = list(_delivery_lines(node, content, fields, item_class))
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")


def _disposition_lines(fields: Fields, item_class: str) -> Iterable[str]:
    address = address_of(
        fields, tags.SENT_REPRESENTING_SMTP_ADDRESS, tags.SENT_REPRESENTING_EMAIL_ADDRESS
    ) or address_of(fields, tags.SENDER_SMTP_ADDRESS, tags.SENDER_EMAIL_ADDRESS)
    yield f"Final-Recipient: rfc822;{_line(address)}"
    identity = _line(fields.text(tags.ORIGINAL_MESSAGE_ID))
    if identity:
        yield f"Original-Message-ID: {identity}"
    mode = _line(fields.text(tags.REPORT_DISPOSITION_MODE))
    read = item_class.upper().endswith(".IPNRN")
    kind = _line(fields.text(tags.REPORT_DISPOSITION)) or ("displayed" if read else "deleted")
    yield f"Disposition: {mode or 'automatic-action/MDN-sent-automatically'}; {kind}"


def _delivery_lines(node: Node, content: Content, fields: Fields, item_class: str) -> Iterable[str]:
    agent = _line(fields.text(tags.REPORTING_TRANSFER_AGENT)) or "unknown"
    yield f"Reporting-MTA: dns;{agent}"
    kind = item_class.upper()
    action = next(
        (action for action, suffix in reversed(_SUFFIXES) if kind.endswith(f".{suffix.upper()}")),
        "failed",
    )
    for child in node.nodes(Owner.RECIPIENT):
        person = Fields(child, content, [])
        address = _line(address_of(person, tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS))
        yield ""
        yield f"Final-Recipient: rfc822;{address}"
        yield f"Action: {action}"
        yield f"Status: {_status_of(person, action)}"
        for name, number in (
            ("Remote-MTA: dns;", tags.REMOTE_TRANSFER_AGENT),
            ("Diagnostic-Code: smtp;", tags.REPORT_TEXT),
            ("X-Supplementary-Info: ", tags.SUPPLEMENTARY_INFO),
            ("X-Display-Name: ", tags.DISPLAY_NAME),
        ):
            said = _line(person.text(number))
            if said:
                yield name + said


def _status_of(person: Fields, action: str) -> str:
    code = person.integer(tags.STATUS_CODE) or 0
    if 200 <= code <= 599:
        return ".".join(str(code))
    said = _STATUS.search(person.text(tags.SUPPLEMENTARY_INFO))
    if said is not None:
        return said[0]
    return {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")


def _severity(group: Headers) -> int:
    return _SEVERITY.get(group.text("action").split(" ")[0].lower(), -1)


def _untyped(value: str) -> str:
    """What follows the type in ``dns; mail.example``."""
    match = _TYPED.match(value)
    return _line(value[match.end() :] if match else value)


def _address(value: str) -> str:
    return _untyped(value).strip("<>")


def _line(value: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", value).strip()
