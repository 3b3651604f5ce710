"""Where fuzzing starts from: a few small inputs of every kind, all made here."""

from __future__ import annotations

import base64
from typing import Final

from backups.streams import open_stream, to_msg, write_item

from ..streams.samples import BUILD, MESSAGE, PREFIX, framed, from_hex, golden, letter

MAIL = b"""\
From: Anna <anna@acme.example>
To: "Ben, B." <ben@acme.example>, =?utf-8?b?w4RybmU=?= <c@acme.example>
Subject: =?iso-8859-1?q?Pl=E4ne?=
Date: Mon, 23 Nov 2026 10:00:00 +0100
Message-ID: <1@acme.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Caf=C3=A9
--c
Content-Type: text/html

<p>Caf&eacute; <img src="cid:1"></p>
--c--
--b
Content-Type: image/png; name*=utf-8''%C3%A4.png
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="../a.png"
Content-ID: <1>

iVBORw0KGgo=
--b
Content-Type: message/rfc822

Subject: inside

text
--b
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
BEGIN:VEVENT
UID:2
DTSTART:20261123T100000Z
END:VEVENT
END:VCALENDAR
--b--
"""
EVENT = b"""\
BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VTIMEZONE
TZID:Here
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1
SUMMARY:Plan\\, weekly
DTSTART;TZID=Here:20261123T100000
DURATION:PT1H
RRULE:FREQ=WEEKLY;COUNT=10;BYDAY=MO,WE
EXDATE;TZID=Here:20261130T100000
ATTENDEE;PARTSTAT=ACCEPTED;CN=Ben:mailto:ben@acme.example
ORGANIZER:mailto:anna@acme.example
BEGIN:VALARM
TRIGGER:-PT15M
ACTION:DISPLAY
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;TZID=Here:20261202T100000
DTSTART;TZID=Here:20261202T120000
END:VEVENT
BEGIN:VTODO
UID:3
DUE;VALUE=DATE:20261201
PERCENT-COMPLETE:50
END:VTODO
END:VCALENDAR
"""
CARD = b"""\
BEGIN:VCARD
VERSION:3.0
FN:Ben B\xc3\xb6
N:B\xc3\xb6;Ben;;;
EMAIL;TYPE=INTERNET:ben@acme.example
TEL;TYPE=CELL,VOICE:+43 1 23
ADR;TYPE=WORK:;;Street 1;Town;;1010;Austria
BDAY:1970-02-29
PHOTO;ENCODING=b:iVBORw0KGgo=
ORG:Acme;Sales
END:VCARD
BEGIN:VCARD
VERSION:2.1
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:B=C3=B6;=
 Ben
X-ABDATE;TYPE=x:1
END:VCARD
"""
TNEF = bytes.fromhex(
    "789F3E22 0100 01 06900800 04000000 00000100 0500"  # signature, key, TNEF version
    "01 079006 00 08000000 E4040000 00000000 E800"  # OEM code page
    "01 088007 00 09000000 49504D2E4E6F746500 5303"  # message class
)
_CONTENT = from_hex(MESSAGE)
_LETTERS = [
    write_item(letter(), build=BUILD),
    write_item(letter(embedded=letter(body="x" * 3000)), build=BUILD),
]

SEEDS: Final[dict[str, list[bytes]]] = {
    "stream": [golden(), *_LETTERS, framed(_CONTENT, 7), from_hex(PREFIX)],
    "content": [_CONTENT, _CONTENT[8:40], from_hex("1F10 0380")],
    "shown": [_CONTENT, *(open_stream(payload).content[:] for payload in _LETTERS)],
    "base64": [base64.b64encode(golden()), b"=== Truncated Data ==="],
    "mime": [MAIL, MAIL.replace(b"\n", b"\r\n")],
    "ics": [EVENT],
    "vcard": [CARD],
    "msg": [to_msg(payload) for payload in _LETTERS],
    "tnef": [TNEF],
    "recipe": [bytes(range(24)), b"\2" * 9],
}
"""By the name of the target."""
