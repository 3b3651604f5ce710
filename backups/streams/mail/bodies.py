"""The bodies of an item as texts of a mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from backups.streams.mail.letter import FROM_CALENDAR, TEXT_LAYOUT
from backups.streams.mail.wire import Leaf, text_part
from backups.streams.native import tags
from backups.streams.native.fields import Fields
from backups.streams.views.body import body_of

_CHARSETS: Final = {
    65001: "utf-8",
    20127: "us-ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    874: "windows-874",
    932: "shift_jis",
    936: "gbk",
    949: "euc-kr",
    950: "big5",
    50220: "iso-2022-jp",
    51932: "euc-jp",
    54936: "gb18030",
    **{page: f"windows-{page}" for page in range(1250, 1259)},
    **{28590 + part: f"iso-8859-{part}" for part in range(1, 16)},
}
"""Names in mail of the Windows code pages in which line ends are single bytes."""

_LAYOUTS: Final = frozenset({"format=flowed", "format=flowed; delsp=yes"})


@dataclass(frozen=True, slots=True)
class Bodies:
    """``plain`` and ``html`` as parts, where the item has them; ``markup`` is the HTML as text.

    ``derived`` says that they are only what the calendar part of the mail says.
    """

    plain: Leaf | None
    html: Leaf | None
    markup: str
    derived: bool


def bodies_of(fields: Fields) -> Bodies:
    body = body_of(fields, [])
    plain = html = None
    layout = fields.named(TEXT_LAYOUT)
    if body.text:
        flowed = layout if isinstance(layout, str) and layout in _LAYOUTS else ""
        plain = text_part("plain", body.text.encode("utf-8", "replace"), "utf-8", flowed)
    if body.html:
        html = _html(fields, body.html)
    for part in (html, plain):
        if part is not None:
            part.fields = [*part.fields, *_identity(fields)]
            break
    return Bodies(plain, html, body.html, layout == FROM_CALENDAR)


def _html(fields: Fields, markup: str) -> Leaf:
    """The HTML as its own bytes where its charset has a name, because it may name it too."""
    raw = fields.value(tags.HTML)
    charset = _CHARSETS.get(fields.integer(tags.INTERNET_CODEPAGE) or 0)
    if isinstance(raw, bytes) and charset is not None:
        return text_part("html", raw, charset)
    return text_part("html", markup.encode("utf-8", "replace"), "utf-8")


def _identity(fields: Fields) -> list[str]:
    found = []
    content_id = re.sub(r"[^!-~]|[<>]", "", fields.text(tags.BODY_CONTENT_ID))
    location = re.sub(r"[^!-~]", "", fields.text(tags.BODY_CONTENT_LOCATION))
    if content_id:
        found.append(f"Content-ID: <{content_id}>")
    if location:
        found.append(f"Content-Location: {location}")
    return found
