"""What became of a message: delivery and read reports (MS-OXOMSG 2.2.2, 2.2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, address_of
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.details import Outcome, ReportRecipientView, ReportView

MAX_TEXT: Final = 2_000
"""Characters kept of what a server said about one recipient."""

_OUTCOMES: Final = (
    (".IPNNRN", Outcome.NOT_READ),
    (".IPNRN", Outcome.READ),
    (".NDR", Outcome.NOT_DELIVERED),
    (".DR", Outcome.DELIVERED),
    (".DELAYED", Outcome.DELAYED),
    (".RELAYED", Outcome.RELAYED),
    (".EXPANDED", Outcome.EXPANDED),
)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REASONS: Final = (
    *("The transfer failed", "The transfer was impossible", "A conversion was not performed"),
    *("A rendition was not performed", "A postal delivery was not performed"),
    "The directory operation failed",
)
"""PidTagNonDeliveryReportReasonCode (MS-OXOMSG 2.2.2.31)."""


def report_of(node: Node, content: Content, fields: Fields) -> ReportView:
    """The report at ``node``; ``fields`` are its properties."""
    item_class = fields.text(tags.MESSAGE_CLASS).upper()
    outcome = next((one for end, one in _OUTCOMES if item_class.endswith(end)), Outcome.OTHER)
    server = fields.text(tags.REPORTING_TRANSFER_AGENT)
    return ReportView(
        outcome=outcome,
        recipients=tuple(_recipients(node, content, server)),
        subject=fields.text(tags.ORIGINAL_SUBJECT),
        message_id=fields.text(tags.ORIGINAL_MESSAGE_ID),
        sent_at=fields.time(tags.ORIGINAL_SUBMIT_TIME),
        reported_at=fields.time(tags.REPORT_TIME),
    )


def _recipients(node: Node, content: Content, server: str) -> Iterator[ReportRecipientView]:
    for child in node.nodes(Owner.RECIPIENT):
        fields = Fields(child, content, [])
        said = fields.text(tags.SUPPLEMENTARY_INFO)[:MAX_TEXT]
        code = fields.integer(tags.REASON_CODE)
        yield ReportRecipientView(
            name=fields.text(tags.DISPLAY_NAME, tags.RECIPIENT_DISPLAY_NAME),
            address=address_of(fields, tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS),
            status=_status(said, fields.integer(tags.STATUS_CODE)),
            reason=_REASONS[code] if code is not None and 0 <= code < len(_REASONS) else "",
            diagnostic=said or fields.text(tags.REPORT_TEXT)[:MAX_TEXT],
            server=fields.text(tags.REMOTE_TRANSFER_AGENT) or server,
            at=fields.time(tags.REPORT_TIME) or fields.time(tags.DELIVER_TIME),
        )


def _status(said: str, code: int | None) -> str:
    """The enhanced status code: out of what was said, else from PidTagNonDeliveryReportStatusCode,
    which holds its three digits as one number (511 is 5.1.1)."""
    found = _STATUS.search(said)
    if found:
        return found[1]
    if code is not None and 200 <= code <= 599:
        return ".".join(str(code))
    return ""
