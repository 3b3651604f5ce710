"""What the golden repository holds, written down apart from what made it."""

from base64 import encodebytes

ATTACHMENT = bytes(range(256)) * 8
STREAM = (
    b"HEAD"
    b"\x02\x00\x00\x00\x0a\x00\x00\x00" + b"abc0123456"
    b"\x02\x00\x00\x00\x0a\x00\x00\x00" + b"789ABCDEFG"
    b"\x02\x00\x00\x00\x05\x00\x00\x00" + b"HIdef"
)
MIME = (
    b"Content-Transfer-Encoding: base64\r\n\r\n"
    + encodebytes(ATTACHMENT).rstrip().replace(b"\n", b"\r\n")
    + b"\r\n--end\r\ntext"
)
REPORT = b"Subject: report\r\n\r\nnew"
WEEK = b"Dear 41, the report of week 6 is ready.\r\n" * 3
LATE = b"Subject: late\r\n\r\nsorry"
COPY = b"Subject: fw" + ATTACHMENT + b"d\r\n\r\nfor you"
NOTE = b"Subject: note\r\n\r\n\xe2\x9c\x93"

ANNA_AT_3 = {"report": REPORT, "week": WEEK, "stream": STREAM, "mime": MIME}
ANNA_AT_7 = {**ANNA_AT_3, "late": LATE}
BEN_AT = [{"copy": COPY}, {"note": NOTE}, {"note": NOTE}, {"note": NOTE, "more": b""}]
