"""Real mail becomes a stream and mail again: two parsers that are not ours read both.

What may differ is in docs/streams/mail.md, with the reasons given here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.streams import MailError, from_mime, to_eml, validate
from backups.streams.mail.mbox import split_mbox

from .conftest import corpus_files
from .mail_parsers import TNEF, by_python, by_rust, differences, with_tnef_opened

pytestmark = pytest.mark.corpus

STRAY = "a line that is no field stands in its header; both parsers end the header there"
BROKEN_BASE64 = "its base64 is broken; both parsers give it back as it stands"
BLANK_ENCODING = "a blank follows the name of its encoding, by which both parsers don't know it"
BLANK_BOUNDARY = "its boundary ends in blanks; the parsers disagree where parts begin"
DISAGREE = "the parsers disagree, we read it as Python's email does"

EXCEPTIONS = {
    "Sicos1977__MSGReader/UTF-8_Test.eml": STRAY,
    "Webklex__php-imap/attachment_long_filename.eml": DISAGREE,
    "Webklex__php-imap/boolean_decoded_content.eml": BROKEN_BASE64,
    "apache__james-mime4j/core/src/test/resources/mimetools-testmsgs/twopart.msg.eml": (
        BLANK_ENCODING
    ),
    "apache__james-mime4j/core/src/test/resources/testmsgs/multipartnopart.msg.eml": DISAGREE,
    "apache__james-mime4j/core/src/test/resources/testmsgs/very-long-boundary.msg.eml": (
        BLANK_BOUNDARY
    ),
    "apache__james-mime4j/core/src/test/resources/testmsgs/very-very-long-boundary.msg.eml": (
        BLANK_BOUNDARY
    ),
    "apache__james-mime4j/core/src/test/resources/testmsgs/weird-boundary.msg.eml": BLANK_BOUNDARY,
    "apache__james-project/mailbox/store/src/test/resources/eml/"
    "oneHtmlAttachmentAndSomeTextInlined.eml": STRAY,
    "apache__james-project/server/container/core/src/test/resources/invalid.eml": BROKEN_BASE64,
    "chatmail__core/attach_filename_combined.eml": (
        "two different names: we take the RFC 2231 one, the parsers the other"
    ),
    "chatmail__core/gmx-quote-body.eml": DISAGREE,
    "cpython-test_email/msg_38.txt.eml": DISAGREE,
    "cpython-test_email/msg_47.txt.eml": DISAGREE,
    "jhillyerd__enmime/testdata/mail/mime-bad-content-transfer-encoding.raw.eml": BROKEN_BASE64,
    "jhillyerd__enmime/testdata/parts/extra-base64-character.raw.eml": BROKEN_BASE64,
    "jstedfast__MimeKit/UnitTests/TestData/messages/issue358.txt.eml": STRAY,
    "mikel__mail/emails/mime_emails/raw_email4.eml": DISAGREE,
    "mikel__mail/emails/rfc2822/example13.eml": STRAY,
    "rspamd__rspamd/fname.eml": BROKEN_BASE64,
    "rspamd__rspamd/phish_sender2.eml": STRAY,
    "rspamd__rspamd/phish_sender4.eml": STRAY,
    "sisimai__set-of-emails/maildir/bsd/lhost-office365-08.eml": STRAY,
    "sisimai__set-of-emails/maildir/bsd/lhost-postfix-57.eml": STRAY,
    "sisimai__set-of-emails/maildir/bsd/rhost-google-06.eml": BROKEN_BASE64,
    "spamassassin/spam-1/00260.c75ce8b8d8bfc55723426979d260bf61.eml": BROKEN_BASE64,
    "spamassassin/spam-1/00307.7ed50c6d80c6e37c8cc1b132f4a19e4d.eml": BROKEN_BASE64,
    "spamassassin/spam-1/00313.fab744bfd5a128fca39b69df9811c086.eml": BROKEN_BASE64,
    "spamassassin/spam-2/00164.272880ebd1f1f93cf0cd9800842a24bd.eml": DISAGREE,
    "spamassassin/spam-2/00276.a8792b1d4591c269b9234f3a39f846d8.eml": DISAGREE,
    "stalwartlabs__mail-parser/malformed/005.eml": (
        "boundaries that are each other with dashes; the parsers disagree which one ends"
    ),
    "stalwartlabs__mail-parser/malformed/017.eml": (
        "no semicolon before its boundary; both parsers read no part"
    ),
    "stalwartlabs__mail-parser/malformed/019.eml": "random bytes in its header",
    "stalwartlabs__mail-parser/thirdparty/003.eml": BLANK_ENCODING,
}
"""Mails of which the written one differs from the original as a parser reads them, and why."""


def test_mail_is_written_as_other_parsers_read_the_original(mails: list[Path]) -> None:
    different = {}
    for path in mails:
        name = path.as_posix().split("/mail/", 1)[1]
        try:
            found = lost_or_added(path.read_bytes())
        except MailError as error:
            assert str(error) == "the mail is empty", path
            continue
        if found:
            different[name] = found
    assert set(different) == set(EXCEPTIONS), {
        name: found for name, found in different.items() if name not in EXCEPTIONS
    }
    assert len(EXCEPTIONS) <= len(mails) * 0.005


def test_mail_in_mailboxes_is_written_as_other_parsers_read_the_original() -> None:
    different = {name: found for name, found in of_mailboxes() if found}

    assert set(different) == {"issue1189.mbox.txt.mbox 1"}, DISAGREE


def of_mailboxes() -> Iterator[tuple[str, list[str]]]:
    for path in corpus_files("mbox"):
        for number, raw in enumerate(split_mbox(path.read_bytes())):
            if raw.strip():
                yield f"{path.name} {number}", lost_or_added(raw)


def lost_or_added(raw: bytes) -> list[str]:
    """How the written mail differs for fast_mail_parser, or where it can't say, for Python."""
    if b"\n" not in raw:
        # A file of an old Macintosh; the parsers know no such line ends.
        raw = raw.replace(b"\r", b"\n")
    payload = from_mime(raw)
    validate(payload)
    eml = to_eml(payload)
    original, written = by_rust(raw), by_rust(eml)
    if original is None or written is None:
        original, written = by_python(raw), by_python(eml)
    if any(file.raw.startswith(TNEF) for file in original.files):
        original = with_tnef_opened(original)
    return differences(original, written)
