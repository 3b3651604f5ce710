"""The text of an item for a calendar file, and its files."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from icalendar import Component, vBinary, vText, vUri

from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, clean, is_exception
from backups.streams.native.properties import CODE_PAGE, decode_text
from backups.streams.native.tokens import Node, Owner

_UTF8: Final = 65001
_BLOCKS: Final = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul"})
_SILENT: Final = frozenset({"style", "script", "head", "title"})
_REFERENCES: Final = frozenset({2, 3, 4, 7})
"""PidTagAttachMethod of a file that is elsewhere."""


def add_bodies(component: Component, fields: Fields) -> None:
    """DESCRIPTION, and the HTML body beside it as X-ALT-DESC.

    Of an item with a body in RTF alone there is nothing: reading RTF is not this room's work.
    """
    markup = html_of(fields)
    plain = fields.text(tags.BODY) or plain_of(markup)
    if plain:
        component.add("description", one_newline(plain))
    if markup:
        alternative = vText(one_newline(markup))
        alternative.params["FMTTYPE"] = "text/html"
        component.add("x-alt-desc", alternative, encode=False)


def html_of(fields: Fields) -> str:
    """The HTML body; empty when there is none or its code page is unknown."""
    value = fields.value(tags.HTML)
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, bytes):
        return ""
    page = fields.integer(tags.INTERNET_CODEPAGE) or _UTF8
    try:
        return clean(decode_text(CODE_PAGE | (page & 0x7FFF), value))
    except ValueError:
        return ""


def plain_of(markup: str) -> str:
    """The words of an HTML text, a line for each block; empty for what can't be read."""
    reader = _Words()
    reader.feed(markup)
    reader.close()
    lines = (re.sub(r"[ \t\r\f\xa0]+", " ", line).strip() for line in reader.text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def one_newline(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def add_files(component: Component, node: Node, content: Content) -> None:
    """The files of an item as ATTACH: their bytes, or the link that they are.

    Hidden files (images of the body, exceptions) and messages are left out.
    """
    for attachment in node.nodes(Owner.ATTACHMENT):
        fields = Fields(attachment, content, [])
        if fields.value(tags.ATTACHMENT_HIDDEN) or is_exception(attachment, content):
            continue
        link = fields.text(tags.ATTACH_LONG_PATHNAME)
        if fields.integer(tags.ATTACH_METHOD) in _REFERENCES:
            if link:
                component.add("attach", vUri("".join(link.split())), encode=False)
        elif fields.has(tags.ATTACH_DATA):
            value = vBinary(fields.binary(tags.ATTACH_DATA))
            kind = fields.text(tags.ATTACH_MIME_TAG)
            name = fields.text(tags.ATTACH_LONG_FILENAME, tags.ATTACH_FILENAME, tags.DISPLAY_NAME)
            if re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind, re.ASCII):
                value.params["FMTTYPE"] = kind
            shown = "".join(letter for letter in name if letter.isprintable() and letter != '"')
            if shown:
                value.params["X-FILENAME"] = shown
            component.add("attach", value, encode=False)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._silent = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        if tag in _BLOCKS:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(self._silent - (tag in _SILENT), 0)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(data.replace("\n", " "))
